#include "services/router/subscriptions.h"

#include "libs/base/ids.h"
#include "libs/xmpp/jid.h"
#include "services/router/roster_errors.h"

namespace parley::router {
namespace {

using roster::v1::ApplySubscription;

ApplySubscription::Verb VerbOf(link::v1::Type type) {
  switch (type) {
    case link::v1::TYPE_SUBSCRIBE:
      return ApplySubscription::VERB_SUBSCRIBE;
    case link::v1::TYPE_SUBSCRIBED:
      return ApplySubscription::VERB_SUBSCRIBED;
    case link::v1::TYPE_UNSUBSCRIBE:
      return ApplySubscription::VERB_UNSUBSCRIBE;
    case link::v1::TYPE_UNSUBSCRIBED:
      return ApplySubscription::VERB_UNSUBSCRIBED;
    default:
      return ApplySubscription::VERB_UNSPECIFIED;
  }
}

bool ToUs(roster::v1::Subscription subscription) {
  return subscription == roster::v1::SUBSCRIPTION_FROM || subscription == roster::v1::SUBSCRIPTION_BOTH;
}

bool SubscribedNow(const roster::v1::SubscriptionChange& change) {
  return change.has_item() && ToUs(change.item().subscription());
}

// RFC 6121 3.1.2: both addresses are bare, whatever the client wrote.
void MakeBare(Envelope& envelope) {
  const std::string from(xmpp::BareOf(envelope.from()));
  const std::string to(xmpp::BareOf(envelope.to()));
  if (from != envelope.from()) envelope.set_stanza(xmpp::WithAttribute(envelope.stanza(), "from", from));
  if (to != envelope.to()) envelope.set_stanza(xmpp::WithAttribute(envelope.stanza(), "to", to));
  envelope.set_from(from);
  envelope.set_to(to);
}

roster::v1::Ask AskFor(const Account& account, const Envelope& envelope, ApplySubscription::Direction direction) {
  const bool inbound = direction == ApplySubscription::DIRECTION_INBOUND;
  roster::v1::Ask ask;
  auto& apply = *ask.mutable_apply_subscription();
  apply.set_owner(account.bare());
  apply.set_contact(inbound ? envelope.from() : envelope.to());
  apply.set_direction(direction);
  apply.set_verb(VerbOf(envelope.type()));
  // Ours, not a client's: it must be recognised, too, if it has to be asked again.
  apply.set_origin(envelope.origin().empty() ? RandomId() : envelope.origin());
  apply.set_origin_seq(envelope.origin_seq());
  if (inbound && envelope.type() == link::v1::TYPE_SUBSCRIBE) apply.set_stanza(envelope.stanza());
  Concern(envelope, ask);
  return ask;
}

}  // namespace

bool IsSubscription(link::v1::Type type) { return VerbOf(type) != ApplySubscription::VERB_UNSPECIFIED; }

Task<void> Subscriptions::Outbound(Account& account, Held held) {
  Envelope& envelope = *held.envelope;
  const Envelope as_sent = envelope;  // an error goes to the session, not to the bare JID
  MakeBare(envelope);
  if (envelope.to() == account.bare() ||
      (xmpp::LocalOf(envelope.to()).empty() && parts_.sender.Reachable(envelope.to()))) {
    *held.envelope = as_sent;
    parts_.sender.Bounce(account, std::move(held), xmpp::NotAllowed());
    co_return;
  }
  auto ask = AskFor(account, envelope, ApplySubscription::DIRECTION_OUTBOUND);
  const auto answer = co_await parts_.rosters.Ask(account.bare(), std::move(ask));
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED) {
    *held.envelope = as_sent;
    parts_.sender.Bounce(account, std::move(held), ToStanzaError(answer.problem()));
    co_return;
  }
  const auto& change = answer.subscription_change();
  const std::string contact = envelope.to();
  const Origin origin(envelope);
  const Receipt receipt = held.receipt;
  // 3.2.2: the contact sees the resources go while it is still subscribed, before it hears that it is not any more.
  HidePresence(account, contact, change, origin, receipt);
  if (!parts_.sender.Reachable(contact)) {
    Held refused;
    refused.envelope = std::make_unique<Envelope>(as_sent);
    refused.receipt = receipt;
    parts_.sender.Bounce(account, std::move(refused), xmpp::RemoteServerNotFound());
  } else if (change.forward()) {
    parts_.sender.Forward(std::move(held));
  }
  Remember(account, change, receipt);
  ShowPresence(account, contact, change, origin, receipt);
}

Task<void> Subscriptions::Inbound(Account& account, Held held) {
  MakeBare(*held.envelope);
  const Envelope& envelope = *held.envelope;
  auto ask = AskFor(account, envelope, ApplySubscription::DIRECTION_INBOUND);
  // The contact's roster has its half already.
  const auto answer = co_await parts_.rosters.Ask(account.bare(), std::move(ask), RosterClient::Change::kFollows);
  if (answer.problem() == roster::v1::PROBLEM_NO_ACCOUNT) co_return;  // RFC 6121 8.5.1
  if (answer.problem() == roster::v1::PROBLEM_TOO_MANY) {             // the user's roster is no business of the contact
    const auto error = xmpp::ResourceConstraint("Too many requests wait for an answer, or this one is too long");
    parts_.sender.Bounce(account, std::move(held), error);
    co_return;
  }
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED) {
    parts_.sender.Bounce(account, std::move(held), ToStanzaError(answer.problem()));
    co_return;
  }
  const auto& change = answer.subscription_change();
  if (change.auto_reply())
    SendFor(account, {link::v1::TYPE_SUBSCRIBED, Origin(envelope)}, envelope.from(), held.receipt);
  // 3.1.6, 3.2.3, 3.3.3: the stanza first, then the push.
  if (change.forward()) DeliverInbound(account, held);
  Remember(account, change, held.receipt);
  ShowPresence(account, envelope.from(), change, Origin(envelope), held.receipt);
  HidePresence(account, envelope.from(), change, Origin(envelope), held.receipt);
}

// A request is for all available resources (3.1.3), an answer or a cancellation for those that know the roster.
void Subscriptions::DeliverInbound(Account& account, const Held& held) {
  const bool request = held.envelope->type() == link::v1::TYPE_SUBSCRIBE;
  for (const auto& session : account.sessions()) {
    if (request ? session.available() : session.record.interested()) {
      parts_.sender.Deliver(session, Envelope(*held.envelope), held.receipt);
    }
  }
}

void Subscriptions::Remember(Account& account, const roster::v1::SubscriptionChange& change, const Receipt& receipt) {
  if (!change.has_item()) return;
  parts_.rosters.Apply(account.bare(), change.item(), false);
  parts_.store.Touch(account.bare());
  if (change.push()) parts_.pushes.Send(account, change.item(), change.version(), receipt);
}

void Subscriptions::ShowPresence(Account& account, const std::string& contact,
                                 const roster::v1::SubscriptionChange& change, const Origin& origin,
                                 const Receipt& receipt) {
  const bool gained = SubscribedNow(change) && !ToUs(change.before());
  if (gained || change.auto_reply()) parts_.fanout.AllTo(account, contact, origin, receipt);
}

void Subscriptions::HidePresence(Account& account, const std::string& contact,
                                 const roster::v1::SubscriptionChange& change, const Origin& origin,
                                 const Receipt& receipt) {
  if (ToUs(change.before()) && !SubscribedNow(change)) parts_.fanout.AllGoneTo(account, contact, origin, receipt);
}

void Subscriptions::SendFor(Account& account, const Verb& verb, std::string_view contact, const Receipt& receipt) {
  if (!parts_.sender.Reachable(contact)) return;
  Envelope envelope = xmpp::MakePresence(verb.type, account.bare(), contact);
  verb.cause.For(link::v1::Type_Name(verb.type)).Mark(envelope);
  parts_.sender.Forward(std::move(envelope), receipt);
}

}  // namespace parley::router
