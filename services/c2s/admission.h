#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libs/base/loop.h"
#include "libs/config/config.h"
#include "libs/net/address_range.h"
#include "services/c2s/metrics.h"
#include "services/c2s/token_bucket.h"

namespace parley::c2s {

// Who may connect, and how often one address may connect, fail to log in and register. An IPv6 client is its /64.
class Admission {
 public:
  enum class Verdict { kAdmit, kRefuse, kBanned };

  Admission(Loop& loop, const config::C2s& config, Metrics& metrics);

  // Whom operators have banned, from now on.
  void SetBans(net::AddressRanges bans) { bans_ = std::move(bans); }
  bool Banned(std::string_view address) const { return bans_.Contains(address); }
  // Whether one more connection may be, now or when it is its turn. `waiting`: those that are not admitted yet count.
  Verdict Judge(std::string_view address, std::size_t waiting);
  // How long one must wait for its address's rate, which is spent with that; nothing if it were longer than `most`.
  std::optional<TokenBucket::Clock::duration> Pace(std::string_view address, TokenBucket::Clock::duration most);
  // Not so many are logging in that one more must wait. A Ticket takes the place.
  bool HasPlace() const { return unauthenticated_ < config_.max_unauthenticated; }
  // `free` is called when a place comes free, from within whatever gave it back.
  void OnPlace(std::function<void()> free) { on_place_ = std::move(free); }

 private:
  struct Address;

 public:
  // Counts a connection as long as it lives.
  class Ticket {
   public:
    Ticket(Admission& admission, std::string_view address);
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    // It is no longer one of those that have not logged in.
    void Authenticated();
    // The address has failed too often lately: do not even try.
    bool MayAuthenticate();
    void AuthenticationFailed();
    bool MayRegister();

   private:
    Admission& admission_;
    Address& address_;
    bool authenticated_ = false;
  };

  std::uint32_t connections() const { return connections_; }

 private:
  struct Address {
    std::uint32_t connections = 0;
    TokenBucket connecting;
    TokenBucket failures;
    TokenBucket registrations;
  };
  // Forgets addresses that have no connection and owe nothing.
  void Sweep();
  void Count(std::string_view limit);

  net::AddressRanges bans_;
  const config::C2s& config_;
  Metrics& metrics_;
  const Rate connecting_;
  const Rate failing_;
  const Rate registering_;
  std::uint32_t connections_ = 0;
  std::uint32_t unauthenticated_ = 0;
  std::function<void()> on_place_;
  std::unordered_map<std::string, Address> addresses_;
  Loop::Timer sweeping_;
};

// "192.0.2.1" as it is; of "2001:db8:1:2:3:4:5:6" the first 64 bits; an IPv4-mapped address as IPv4.
std::string AddressGroup(std::string_view address);

}  // namespace parley::c2s
