#include "libs/xmpp/subscription.h"

namespace parley::xmpp {
namespace {

// The two directions apart, in which all rules of the appendix can be said.
bool HasTo(const SubscriptionState& state) {
  return state.subscription == Subscription::kTo || state.subscription == Subscription::kBoth;
}
bool HasFrom(const SubscriptionState& state) {
  return state.subscription == Subscription::kFrom || state.subscription == Subscription::kBoth;
}

enum class Change { kGain, kLose };

void ChangeTo(SubscriptionState& state, Change change) {
  const bool from = HasFrom(state);
  if (change == Change::kGain) {
    state.subscription = from ? Subscription::kBoth : Subscription::kTo;
  } else {
    state.subscription = from ? Subscription::kFrom : Subscription::kNone;
  }
  state.pending_out = false;
}

// A use of pre-approval ends it (a matter of local policy, RFC 6121 3.4.2): who was cancelled has to ask again.
void ChangeFrom(SubscriptionState& state, Change change) {
  const bool to = HasTo(state);
  if (change == Change::kGain) {
    state.subscription = to ? Subscription::kBoth : Subscription::kFrom;
  } else {
    state.subscription = to ? Subscription::kTo : Subscription::kNone;
  }
  state.pending_in = false;
  state.approved = false;
}

// A.2.1
Transition OutboundSubscribe(const SubscriptionState& state) {
  Transition result{.next = state, .forward = true};
  if (!HasTo(state)) result.next.pending_out = true;
  return result;
}

// A.2.2
Transition OutboundUnsubscribe(const SubscriptionState& state) {
  Transition result{.next = state, .forward = true};
  ChangeTo(result.next, Change::kLose);
  return result;
}

// A.2.3, 3.4.2
Transition OutboundSubscribed(const SubscriptionState& state) {
  Transition result{.next = state};
  if (HasFrom(state)) return result;
  if (state.pending_in) {
    result.forward = true;
    ChangeFrom(result.next, Change::kGain);
  } else {
    result.next.approved = true;
  }
  return result;
}

// A.2.4, 3.2.1
Transition OutboundUnsubscribed(const SubscriptionState& state) {
  Transition result{.next = state, .forward = HasFrom(state) || state.pending_in};
  ChangeFrom(result.next, Change::kLose);
  return result;
}

// A.3.1, 3.1.3, 3.4.2
Transition InboundSubscribe(const SubscriptionState& state) {
  Transition result{.next = state};
  if (HasFrom(state)) {
    result.auto_reply = true;
  } else if (state.approved) {
    result.auto_reply = true;
    ChangeFrom(result.next, Change::kGain);
  } else if (!state.pending_in) {
    result.forward = true;
    result.next.pending_in = true;
  }
  return result;
}

// A.3.2: a pre-approval is the user's own and stays.
Transition InboundUnsubscribe(const SubscriptionState& state) {
  Transition result{.next = state, .forward = HasFrom(state) || state.pending_in};
  if (result.forward) ChangeFrom(result.next, Change::kLose);
  return result;
}

// A.3.3
Transition InboundSubscribed(const SubscriptionState& state) {
  Transition result{.next = state, .forward = state.pending_out};
  if (result.forward) ChangeTo(result.next, Change::kGain);
  return result;
}

// A.3.4
Transition InboundUnsubscribed(const SubscriptionState& state) {
  Transition result{.next = state, .forward = HasTo(state) || state.pending_out};
  ChangeTo(result.next, Change::kLose);
  return result;
}

}  // namespace

Transition Outbound(const SubscriptionState& state, Verb verb) {
  switch (verb) {
    case Verb::kSubscribe:
      return OutboundSubscribe(state);
    case Verb::kSubscribed:
      return OutboundSubscribed(state);
    case Verb::kUnsubscribe:
      return OutboundUnsubscribe(state);
    case Verb::kUnsubscribed:
      return OutboundUnsubscribed(state);
  }
  return {.next = state};
}

Transition Inbound(const SubscriptionState& state, Verb verb) {
  switch (verb) {
    case Verb::kSubscribe:
      return InboundSubscribe(state);
    case Verb::kSubscribed:
      return InboundSubscribed(state);
    case Verb::kUnsubscribe:
      return InboundUnsubscribe(state);
    case Verb::kUnsubscribed:
      return InboundUnsubscribed(state);
  }
  return {.next = state};
}

}  // namespace parley::xmpp
