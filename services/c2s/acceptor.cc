#include "services/c2s/acceptor.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
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

// A peer that is refused again and again does not fill the log.
constexpr std::chrono::seconds kWarnEvery{1};

// The configuration was checked: each text is one.
net::AddressRanges RangesOf(const std::vector<std::string>& texts) {
  net::AddressRanges ranges;
  for (const auto& text : texts) {
    if (const auto range = net::AddressRange::Parse(text)) ranges.Add(*range);
  }
  return ranges;
}

net::ProxyReader::Options HeaderOptions(const config::C2s& config) {
  return {.timeout = config.proxy_timeout, .max_bytes = config.max_proxy_header_bytes};
}

std::string NameOf(net::ProxyReader::Outcome outcome) {
  static constexpr std::array kNames{"client", "local", "malformed", "timeout", "incomplete"};
  return kNames[static_cast<std::size_t>(outcome)];
}

}  // namespace

Acceptor::Acceptor(Context& context)
    : context_(context),
      trusted_proxies_(RangesOf(context.config.c2s.trusted_proxies)),
      proxy_headers_(context.loop, HeaderOptions(context.config.c2s)),
      retrying_(context.loop.Every(kRetryPeriod, [this] { Retry(); })) {
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
  auto accepted = [this, kind](int fd, const std::string& from) { OnConnected(fd, from, kind); };
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
  proxy_headers_.Stop();
}

void Acceptor::OnConnected(int fd, const std::string& peer, Streams::Kind kind) {
  if (trusted_proxies_.empty()) return OnAccepted(fd, peer, kind);
  // Neither may it name an address, nor come in without one: it would be in the place of a proxy.
  if (!trusted_proxies_.Contains(peer)) return Drop(fd, peer, "untrusted", "not one of c2s.trusted_proxies");
  if (proxy_headers_.waiting() >= context_.config.c2s.max_unauthenticated) {
    return Drop(fd, peer, "too_many", "c2s.max_unauthenticated connections without a header");
  }
  proxy_headers_.Read(fd, [this, peer, kind](int taken, net::ProxyReader::Outcome outcome, const std::string& text) {
    OnHeader(taken, outcome, text, peer, kind);
  });
}

void Acceptor::OnHeader(int fd, net::ProxyReader::Outcome outcome, const std::string& text, const std::string& proxy,
                        Streams::Kind kind) {
  using Outcome = net::ProxyReader::Outcome;
  if (outcome != Outcome::kClient && outcome != Outcome::kProxy) return Drop(fd, proxy, NameOf(outcome), text);
  context_.metrics.proxy_headers.Add(NameOf(outcome));
  OnAccepted(fd, outcome == Outcome::kClient ? text : proxy, kind);
}

void Acceptor::Drop(int fd, const std::string& peer, const std::string& outcome, const std::string& reason) {
  ::close(fd);
  context_.metrics.proxy_headers.Add(outcome);
  ++dropped_;
  const auto now = std::chrono::steady_clock::now();
  if (now - warned_ < kWarnEvery) return;
  warned_ = now;
  log::Warn("proxy_header_refused",
            {{"peer", peer}, {"outcome", outcome}, {"reason", reason}, {"count", std::exchange(dropped_, 0)}});
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
