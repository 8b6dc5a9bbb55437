#pragma once

// The subscription state machine of RFC 6121 (section 3 and appendix A) as pure functions.
namespace parley::xmpp {

enum class Subscription { kNone, kTo, kFrom, kBoth };
enum class Verb { kSubscribe, kSubscribed, kUnsubscribe, kUnsubscribed };

// All nine states of A.1, and pre-approval (3.4).
struct SubscriptionState {
  Subscription subscription = Subscription::kNone;
  bool pending_out = false;
  bool pending_in = false;
  bool approved = false;
  bool operator==(const SubscriptionState&) const = default;
};

struct Transition {
  SubscriptionState next;
  bool forward = false;     // outbound: route to the contact; inbound: deliver to the user
  bool auto_reply = false;  // inbound subscribe: the server answers `subscribed` by itself (A.3.1 and 3.1.3)
};

// The user sends `verb` to a contact (A.2).
Transition Outbound(const SubscriptionState& state, Verb verb);
// `verb` from a contact arrives for the user (A.3).
Transition Inbound(const SubscriptionState& state, Verb verb);

}  // namespace parley::xmpp
