#include "services/c2s/acceptor.h"

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string_view>
#include <utility>

#include "libs/base/log.h"
#include "services/c2s/admission.h"
#include "services/c2s/metrics.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::milliseconds kRetryPeriod{50};

// RFC 6120 4.9.3.17, said without a stream of our own.
constexpr std::string_view kFull =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    "version='1.0' xml:lang='en'><stream:error><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    "</stream:error></stream:stream>";

}  // namespace

Acceptor::Acceptor(Context& context)
    : context_(context), retrying_(context.loop.Every(kRetryPeriod, [this] { Retry(); })) {
  Start();
}

void Acceptor::Start() {
  for (const auto& address : context_.config.c2s.listen) Listen(address, Streams::Kind::kStartTls);
  for (const auto& address : context_.config.c2s.listen_tls) Listen(address, Streams::Kind::kDirectTls);
}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Listen(const std::string& address, Streams::Kind kind) {
  net::ListenOptions options;
  options.tcp_timeout = context_.config.c2s.tcp_timeout;
  options.accept_batch = static_cast<int>(context_.config.c2s.accept_batch);
  auto accepted = [this, kind](int fd, const std::string& from) { OnAccepted(fd, from, kind); };
  listeners_.push_back(
      Listening{kind, std::make_unique<net::Listener>(context_.loop, address, std::move(accepted), options)});
  log::Info(
      "listening",
      {{"address", address}, {"port", listeners_.back().listener->port()}, {"tls", kind == Streams::Kind::kDirectTls}});
}

std::vector<int> Acceptor::ports(Streams::Kind kind) const {
  std::vector<int> ports;
  for (const auto& listening : listeners_) {
    if (listening.kind == kind) ports.push_back(listening.listener->port());
  }
  return ports;
}

void Acceptor::Stop() {
  for (auto& listening : listeners_) listening.listener->Stop();
  listeners_.clear();
  for (const auto& waiting : std::exchange(waiting_, {})) ::close(waiting.fd);
}

void Acceptor::OnAccepted(int fd, const std::string& address, Streams::Kind kind) {
  switch (context_.admission.Judge(address)) {
    case Admission::Verdict::kAdmit:
      return context_.streams.Open(context_, fd, address, kind);
    case Admission::Verdict::kLater:
      if (waiting_.size() < context_.config.c2s.max_connections_waiting) {
        return waiting_.push_back(Waiting{fd, address, kind});
      }
      context_.metrics.limits.Add("connections_waiting");
      return Refuse(fd, kind);
    case Admission::Verdict::kRefuse:
      return Refuse(fd, kind);
    case Admission::Verdict::kBanned:  // no word to them
      ::close(fd);
      return;
  }
}

void Acceptor::Retry() {
  Measure();
  for (std::size_t left = waiting_.size(); left > 0; --left) {
    const Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    OnAccepted(waiting.fd, waiting.address, waiting.kind);
  }
}

void Acceptor::Measure() {
  std::uint64_t full = 0;
  std::uint64_t refused = 0;
  for (const auto& listening : listeners_) {
    full += listening.listener->full_batches();
    refused += listening.listener->refused();
  }
  context_.metrics.limits.Add("accept_batch", static_cast<double>(full - std::exchange(full_batches_, full)));
  context_.metrics.limits.Add("descriptors", static_cast<double>(refused - std::exchange(refused_, refused)));
}

void Acceptor::Refuse(int fd, Streams::Kind kind) {
  if (kind == Streams::Kind::kStartTls) ::send(fd, kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(fd);
}

}  // namespace parley::c2s
