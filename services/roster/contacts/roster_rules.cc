#include "services/roster/contacts/roster_rules.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "libs/xmpp/subscription.h"

namespace parley::roster {
namespace {

// Names of elements and attributes.
constexpr std::uint64_t kItemBytes = 64;
constexpr std::uint64_t kGroupBytes = 16;

xmpp::SubscriptionState StateOf(const v1::Item& item) {
  return {.subscription = static_cast<xmpp::Subscription>(item.subscription()),
          .pending_out = item.ask(),
          .pending_in = item.pending_in(),
          .approved = item.approved()};
}

v1::Item WithState(v1::Item item, const xmpp::SubscriptionState& state) {
  item.set_subscription(static_cast<v1::Subscription>(state.subscription));
  item.set_ask(state.pending_out);
  item.set_pending_in(state.pending_in);
  item.set_approved(state.approved);
  // Whatever of a subscription the user takes part in shows in the roster (RFC 6121 3.1.2, 3.1.5, 3.4.2).
  if (state.subscription != xmpp::Subscription::kNone || state.pending_out || state.approved) item.set_in_roster(true);
  return item;
}

std::optional<xmpp::Verb> VerbOf(const v1::ApplySubscription& ask) {
  switch (ask.verb()) {
    case v1::ApplySubscription::VERB_SUBSCRIBE:
      return xmpp::Verb::kSubscribe;
    case v1::ApplySubscription::VERB_SUBSCRIBED:
      return xmpp::Verb::kSubscribed;
    case v1::ApplySubscription::VERB_UNSUBSCRIBE:
      return xmpp::Verb::kUnsubscribe;
    case v1::ApplySubscription::VERB_UNSUBSCRIBED:
      return xmpp::Verb::kUnsubscribed;
    default:
      return std::nullopt;
  }
}

bool SameGroups(const v1::Item& a, const v1::Item& b) {
  return std::equal(a.groups().begin(), a.groups().end(), b.groups().begin(), b.groups().end());
}

// RFC 6121 2.3.3: no empty and no repeated group, no more and no longer than the server allows.
bool Acceptable(const v1::Item& wanted, const RosterLimits& limits) {
  if (wanted.name().size() > limits.max_name_bytes) return false;
  if (wanted.groups_size() > static_cast<int>(limits.max_groups)) return false;
  std::set<std::string_view> seen;
  return std::all_of(wanted.groups().begin(), wanted.groups().end(), [&](const std::string& group) {
    return !group.empty() && group.size() <= limits.max_name_bytes && seen.insert(group).second;
  });
}

}  // namespace

Outcome<v1::Item> WithNameAndGroups(const v1::Item& before, const v1::Item& wanted, const RosterLimits& limits) {
  if (!Acceptable(wanted, limits)) return v1::PROBLEM_INVALID;
  v1::Item after = before;
  after.set_name(wanted.name());
  *after.mutable_groups() = wanted.groups();
  after.set_in_roster(true);
  return after;
}

Outcome<v1::Item> WithoutItem(const v1::Item& before) {
  if (!before.in_roster()) return v1::PROBLEM_NO_ITEM;
  v1::Item after;
  after.set_jid(before.jid());
  after.set_pending_in(before.pending_in());
  return after;
}

Outcome<v1::SubscriptionChange> WithSubscription(const v1::Item& before, const v1::ApplySubscription& ask,
                                                 const RosterLimits& limits) {
  const auto verb = VerbOf(ask);
  if (!verb || ask.direction() == v1::ApplySubscription::DIRECTION_UNSPECIFIED) return v1::PROBLEM_INVALID;
  const bool inbound = ask.direction() == v1::ApplySubscription::DIRECTION_INBOUND;
  const auto state = StateOf(before);
  const auto transition = inbound ? xmpp::Inbound(state, *verb) : xmpp::Outbound(state, *verb);
  if (inbound && transition.next.pending_in && ask.stanza().size() > limits.max_pending_bytes) {
    return v1::PROBLEM_TOO_MANY;
  }
  v1::SubscriptionChange change;
  change.set_forward(transition.forward);
  change.set_auto_reply(transition.auto_reply);
  change.set_before(before.subscription());
  *change.mutable_item() = WithState(before, transition.next);
  change.set_push(VisiblyDifferent(before, change.item()));
  return change;
}

std::uint64_t SizeOf(const v1::Item& item) {
  if (!item.in_roster()) return 0;
  std::uint64_t size = kItemBytes + item.jid().size() + item.name().size();
  for (const auto& group : item.groups()) size += kGroupBytes + group.size();
  return size;
}

std::optional<v1::Problem> CheckCounts(const v1::Item& before, const v1::Item& after, const RosterCounts& counts,
                                       const RosterLimits& limits) {
  if (after.in_roster() && !before.in_roster() && counts.items >= limits.max_items) return v1::PROBLEM_TOO_MANY;
  const auto was = SizeOf(before), is = SizeOf(after);
  if (is > was && counts.bytes + (is - was) > limits.max_bytes) return v1::PROBLEM_TOO_MANY;
  if (after.pending_in() && !before.pending_in() && counts.pending_in >= limits.max_pending_in) {
    return v1::PROBLEM_TOO_MANY;
  }
  return std::nullopt;
}

bool VisiblyDifferent(const v1::Item& before, const v1::Item& after) {
  if (before.in_roster() != after.in_roster()) return true;
  return before.name() != after.name() || !SameGroups(before, after) || before.subscription() != after.subscription() ||
         before.ask() != after.ask() || before.approved() != after.approved();
}

bool Vanishes(const v1::Item& item) { return !item.in_roster() && !item.pending_in(); }

}  // namespace parley::roster
