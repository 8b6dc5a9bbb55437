#pragma once

#include <cstdint>
#include <optional>

#include "libs/base/result.h"
#include "parley/roster/v1/roster.pb.h"

// What a change does to one contact of an account, as pure functions. An absent contact is an item with its jid only.
namespace parley::roster {

struct RosterLimits {
  std::uint32_t max_items = 1000;
  std::uint64_t max_bytes = 262144;  // see SizeOf
  std::uint32_t max_groups = 50;     // per item
  std::uint32_t max_name_bytes = 1023;
  std::uint32_t max_pending_in = 1000;
  std::uint32_t max_pending_bytes = 10000;  // of a kept subscription request
  std::uint32_t history = 200;              // removals remembered for versioning
  std::uint32_t max_changes = 100;          // since a known version; of more, the whole roster is told
};

struct RosterCounts {
  std::uint32_t items = 0;
  std::uint64_t bytes = 0;
  std::uint32_t pending_in = 0;
};

template <class T>
using Outcome = Result<T, v1::Problem>;

// RFC 6121 2.3 and 2.4: the name and groups that the user wants; never a subscription state.
Outcome<v1::Item> WithNameAndGroups(const v1::Item& before, const v1::Item& wanted, const RosterLimits& limits);

// RFC 6121 2.5. A request that waits for an answer stays.
Outcome<v1::Item> WithoutItem(const v1::Item& before);

// RFC 6121 section 3: item, forward and auto_reply, push and before of the answer; the version is the store's to set.
Outcome<v1::SubscriptionChange> WithSubscription(const v1::Item& before, const v1::ApplySubscription& ask,
                                                 const RosterLimits& limits);

// What an item counts against the limit of bytes, about its size as XML: so that a roster fits into one answer. 0
// outside the roster. The sums are kept in the database: a change of the rule needs a migration that counts anew.
std::uint64_t SizeOf(const v1::Item& item);

std::optional<v1::Problem> CheckCounts(const v1::Item& before, const v1::Item& after, const RosterCounts& counts,
                                       const RosterLimits& limits);

// What clients see of the contact differs: the roster gets a new version.
bool VisiblyDifferent(const v1::Item& before, const v1::Item& after);
// Nothing is left to remember.
bool Vanishes(const v1::Item& item);

}  // namespace parley::roster
