#include "services/c2s/admission.h"

#include <arpa/inet.h>

#include <cstring>

namespace parley::c2s {
namespace {

using Clock = TokenBucket::Clock;

constexpr std::chrono::seconds kSweepPeriod{30};

Rate PerMinute(std::uint32_t tokens) { return Rate{tokens / 60.0, static_cast<double>(tokens)}; }

}  // namespace

std::string AddressGroup(std::string_view address) {
  in6_addr v6;
  const std::string text(address);
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return text;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    char v4[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, v6.s6_addr + 12, v4, sizeof(v4));
  }
  return std::string(reinterpret_cast<const char*>(v6.s6_addr), 8);
}

Admission::Admission(Loop& loop, const config::C2s& config, Metrics& metrics)
    : config_(config),
      metrics_(metrics),
      connecting_{static_cast<double>(config.connections_per_second_per_address),
                  static_cast<double>(config.connections_burst_per_address)},
      failing_(PerMinute(config.auth_failures_per_minute_per_address)),
      registering_(PerMinute(config.registrations_per_minute_per_address)),
      sweeping_(loop.Every(kSweepPeriod, [this] { Sweep(); })) {}

Admission::Verdict Admission::Judge(std::string_view address, std::size_t waiting) {
  if (Banned(address)) {
    Count("banned");
    return Verdict::kBanned;
  }
  if (connections_ + waiting >= config_.max_connections) {
    Count("connections");
    return Verdict::kRefuse;
  }
  if (addresses_[AddressGroup(address)].connections >= config_.max_connections_per_address) {
    Count("connections_address");
    return Verdict::kRefuse;
  }
  return Verdict::kAdmit;
}

std::optional<Clock::duration> Admission::Pace(std::string_view address, Clock::duration most) {
  const auto wait = addresses_[AddressGroup(address)].connecting.TakeWithin(connecting_, 1, most, Clock::now());
  if (wait != Clock::duration::zero()) Count("connection_rate");
  return wait;
}

void Admission::Sweep() {
  const auto now = Clock::now();
  const auto owes_nothing = [&](Address& address) {
    return address.connections == 0 && address.connecting.Full(connecting_, now) &&
           address.failures.Full(failing_, now) && address.registrations.Full(registering_, now);
  };
  for (auto entry = addresses_.begin(); entry != addresses_.end();) {
    entry = owes_nothing(entry->second) ? addresses_.erase(entry) : std::next(entry);
  }
}

void Admission::Count(std::string_view limit) { metrics_.limits.Add(limit); }

Admission::Ticket::Ticket(Admission& admission, std::string_view address)
    : admission_(admission), address_(admission.addresses_[AddressGroup(address)]) {
  ++address_.connections;
  ++admission_.connections_;
  ++admission_.unauthenticated_;
}

Admission::Ticket::~Ticket() {
  Authenticated();
  --address_.connections;
  --admission_.connections_;
}

void Admission::Ticket::Authenticated() {
  if (authenticated_) return;
  authenticated_ = true;
  --admission_.unauthenticated_;
  if (admission_.on_place_) admission_.on_place_();
}

bool Admission::Ticket::MayAuthenticate() {
  if (address_.failures.Has(admission_.failing_, 1, Clock::now())) return true;
  admission_.Count("auth_failures");
  return false;
}

void Admission::Ticket::AuthenticationFailed() { address_.failures.Take(admission_.failing_, 1, Clock::now()); }

bool Admission::Ticket::MayRegister() {
  if (address_.registrations.TryTake(admission_.registering_, 1, Clock::now())) return true;
  admission_.Count("registration_rate");
  return false;
}

}  // namespace parley::c2s
