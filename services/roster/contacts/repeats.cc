#include "services/roster/contacts/repeats.h"

namespace parley::roster {
namespace {

// The two directions of a subscription.
bool HasTo(v1::Subscription subscription) { return (subscription & v1::SUBSCRIPTION_TO) != 0; }
bool HasFrom(v1::Subscription subscription) { return (subscription & v1::SUBSCRIPTION_FROM) != 0; }

v1::Subscription Without(v1::Subscription subscription, bool to, bool from) {
  int rest = subscription;
  if (to) rest &= ~v1::SUBSCRIPTION_TO;
  if (from) rest &= ~v1::SUBSCRIPTION_FROM;
  return static_cast<v1::Subscription>(rest);
}

v1::Item StateOf(const v1::Item& item) {
  v1::Item state;
  state.set_subscription(item.subscription());
  state.set_ask(item.ask());
  return state;
}

}  // namespace

v1::ItemChange ToRemember(const v1::ItemChange& answer) {
  v1::ItemChange remembered = answer;
  *remembered.mutable_item() = StateOf(answer.item());
  return remembered;
}

v1::SubscriptionChange ToRemember(const v1::SubscriptionChange& answer) {
  v1::SubscriptionChange remembered = answer;
  *remembered.mutable_item() = StateOf(answer.item());
  return remembered;
}

v1::ItemChange SetAgain(v1::ItemChange first, const v1::Item& now) {
  *first.mutable_item() = now;
  first.set_removed(!now.in_roster());
  return first;
}

// What began anew since is not cancelled; what the removal cancelled, and is no more, is once again.
v1::ItemChange RemovedAgain(v1::ItemChange first, const v1::Item& now) {
  v1::Item& was = *first.mutable_item();
  const bool to = HasTo(now.subscription()) || now.ask();
  const bool from = HasFrom(now.subscription()) || now.pending_in();
  was.set_jid(now.jid());
  was.set_subscription(Without(was.subscription(), to, from));
  was.set_ask(was.ask() && !to);
  was.set_pending_in(now.pending_in());
  was.set_in_roster(true);
  if (now.in_roster()) *first.mutable_back() = now;
  return first;
}

v1::SubscriptionChange AppliedAgain(const v1::ApplySubscription& ask, v1::SubscriptionChange first,
                                    const v1::Item& now) {
  const bool inbound = ask.direction() == v1::ApplySubscription::DIRECTION_INBOUND;
  const bool request = inbound && ask.verb() == v1::ApplySubscription::VERB_SUBSCRIBE;
  const bool before = HasFrom(first.before()), after = HasFrom(first.item().subscription());
  const bool subscribed = HasFrom(now.subscription());
  // The user has answered it meanwhile.
  if (request && !now.pending_in()) first.set_forward(false);
  first.set_auto_reply(first.auto_reply() && subscribed);
  first.set_push(first.push() && now.in_roster());
  // Whether the contact sees the user's presence was changed by something else: nothing to show or to hide.
  if (before == after && before != subscribed) first.set_before(now.subscription());
  *first.mutable_item() = now;
  return first;
}

}  // namespace parley::roster
