#include "services/c2s/acceptor.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "libs/base/log.h"
#include "services/c2s/admission.h"
#include "services/c2s/metrics.h"
#include "services/c2s/refusal.h"

namespace parley::c2s {
namespace {

// RFC 6120 4.9.3.17 and 4.9.3.20.
constexpr std::string_view kFull = "resource-constraint";
constexpr std::string_view kStopping = "system-shutdown";

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
      waiting_(context.loop, context.config.c2s, context.admission, context.metrics,
               {.admit = [this](const Newcomer& newcomer) { Admit(newcomer); },
                .refuse = [this](const Newcomer& newcomer) { Refuse(newcomer, listening() ? kFull : kStopping); }}) {
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
  waiting_.Clear();
  proxy_headers_.Stop();
}

void Acceptor::OnConnected(int fd, const std::string& peer, Streams::Kind kind) {
  if (trusted_proxies_.empty()) return OnAccepted({fd, peer, kind});
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
  OnAccepted({fd, outcome == Outcome::kClient ? text : proxy, kind});
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

void Acceptor::OnAccepted(const Newcomer& newcomer) {
  if (Judge(newcomer)) waiting_.Enter(newcomer);
}

// Much may have changed while it waited.
void Acceptor::Admit(const Newcomer& newcomer) {
  if (Judge(newcomer)) context_.streams.Open(context_, newcomer.fd, newcomer.address, newcomer.kind);
}

bool Acceptor::Judge(const Newcomer& newcomer) {
  switch (context_.admission.Judge(newcomer.address, waiting_.waiting())) {
    case Admission::Verdict::kAdmit:
      return true;
    case Admission::Verdict::kRefuse:
      Refuse(newcomer, kFull);
      return false;
    case Admission::Verdict::kBanned:  // no word to them
      ::close(newcomer.fd);
      context_.metrics.connections_refused.Add("nothing");
      return false;
  }
  return false;
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

void Acceptor::Refuse(const Newcomer& newcomer, std::string_view condition) {
  context_.metrics.connections_refused.Add(c2s::Refuse(newcomer.fd, newcomer.kind, condition));
}

}  // namespace parley::c2s
