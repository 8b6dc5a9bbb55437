#include "services/router/rules.h"

#include "libs/base/log.h"
#include "libs/rpc/trace.h"
#include "libs/tracing/tracer.h"
#include "libs/xmpp/jid.h"
#include "libs/xmpp/request.h"

namespace parley::router {
namespace {

using link::v1::KIND_CONTROL;
using link::v1::KIND_IQ;
using link::v1::KIND_MESSAGE;
using link::v1::KIND_PRESENCE;
using link::v1::LEG_DELIVER;
using link::v1::LEG_INBOUND;

bool IsDomain(std::string_view jid) { return xmpp::LocalOf(jid).empty(); }

// RFC 6120 10.3: without `to`, or to the own bare JID, it is for the user's own account.
bool ForOwnAccount(const Account& account, const Envelope& envelope) {
  return envelope.to().empty() || envelope.to() == account.bare();
}

// The client of a session that is over may have had it, and the session is not there to know it again.
bool MayBeAcknowledged(const Envelope& envelope) {
  if (!envelope.repeat()) return false;
  const bool to_client = !xmpp::ResourceOf(envelope.to()).empty();
  return envelope.kind() == KIND_MESSAGE || (xmpp::IsRequest(envelope.type()) && to_client);
}

}  // namespace

bool Rules::HandleNow(Account& account, Held& held) {
  const Envelope& envelope = *held.envelope;
  if (envelope.repeat() && envelope.leg() == LEG_INBOUND && !IsLeft(envelope))
    parts_.unacknowledged.Recognise(*held.envelope);
  if (envelope.kind() == KIND_CONTROL || envelope.leg() == LEG_DELIVER || IsLeft(envelope)) return false;
  return !MayBeAcknowledged(envelope) && !IsBehindStored(account, envelope) && ByLegNow(account, held);
}

bool Rules::IsBehindStored(const Account& account, const Envelope& envelope) const {
  return envelope.kind() == KIND_MESSAGE && parts_.offline.MustPassOn(account);
}

bool Rules::ByLegNow(Account& account, Held& held) {
  return held.envelope->leg() == LEG_INBOUND ? InboundNow(account, held) : OutboundNow(account, held);
}

Task<void> Rules::Handle(Account& account, Held held) {
  if (IsLeft(*held.envelope)) {
    const bool owed = co_await Owed(account, held);
    if (!owed) co_return;
    if (held.envelope->leg() == LEG_INBOUND && InboundNow(account, held)) co_return;
  } else if (held.envelope->leg() != LEG_DELIVER) {
    const bool now = co_await GoesNow(account, held);
    if (now) co_return;
  }
  if (held.envelope->leg() == LEG_DELIVER) {
    co_await parts_.orphans.Deliver(account, std::move(held));
  } else if (held.envelope->kind() == KIND_CONTROL) {
    co_await Control(account, std::move(held));
  } else if (held.envelope->leg() == LEG_INBOUND) {
    co_await Inbound(account, std::move(held));
  } else {
    co_await Outbound(account, std::move(held));
  }
}

// What HandleNow leaves to it for another reason than that it has to wait itself.
Task<bool> Rules::GoesNow(Account& account, Held& held) {
  const bool behind = IsBehindStored(account, *held.envelope);
  // Who was to get it next may be gone by then.
  while (IsBehindStored(account, *held.envelope)) co_await parts_.offline.PassOn(account);
  if (held.receipt.severed()) held.envelope->set_repeat(true);
  const bool repeat = MayBeAcknowledged(*held.envelope);
  if (repeat) {
    const bool over = co_await AcknowledgedBefore(account, held);
    if (over) co_return true;
  }
  co_return (repeat || behind) && ByLegNow(account, held);
}

// Those of one session go to the store together. What waits for that is asked for anew: another router may have taken
// care of it meanwhile.
Task<bool> Rules::Owed(Account& account, Held& held) {
  const bool goes_along = held.envelope->leg() == LEG_INBOUND && parts_.unacknowledged.SurelyOwed(*held.envelope);
  if (goes_along) co_return true;
  co_await parts_.spool.Stored(account.bare());
  co_return co_await parts_.unacknowledged.Owed(account, held);
}

Delivery::StillDue Rules::StillOwed() {
  return [this](Account& account, Held& held) { return Owed(account, held); };
}

Task<bool> Rules::AcknowledgedBefore(Account& account, Held& held) {
  const bool before = co_await parts_.unacknowledged.AcknowledgedBefore(account, *held.envelope);
  if (!before) co_return false;
  parts_.metrics.acknowledged_again.Increment();
  rpc::NoteOutcome(held.receipt, "repeat");
  held = Held();
  co_return true;
}

// Outbound: what the sender's server does.

bool Rules::CanBeAnswered(Account& account, Held& held) {
  if (!xmpp::IsRequest(held.envelope->type()) || account.Asking(held.envelope->origin()) != nullptr) return true;
  held.receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  held = Held();
  return false;
}

bool Rules::OutboundNow(Account& account, Held& held) {
  if (!CanBeAnswered(account, held)) return true;
  const Envelope& envelope = *held.envelope;
  if (envelope.kind() == KIND_PRESENCE) return false;
  if (envelope.kind() == KIND_IQ && (ForOwnAccount(account, envelope) || IsDomain(envelope.to()))) {
    return OutboundIqNow(account, held);
  }
  if (envelope.to().empty()) {  // RFC 6120 10.3.1: as if to the own bare JID
    held.envelope->set_to(account.bare());
    return InboundNow(account, held);
  }
  if (!parts_.sender.Reachable(envelope.to())) {
    parts_.sender.Bounce(account, std::move(held), xmpp::RemoteServerNotFound());
  } else if (IsDomain(envelope.to())) {  // the server reads no messages (RFC 6120 10.5.1, 10.5.2)
    parts_.sender.Bounce(account, std::move(held), xmpp::ServiceUnavailable());
  } else if (xmpp::BareOf(envelope.to()) == account.bare()) {
    return InboundNow(account, held);
  } else {
    parts_.sender.Forward(std::move(held));
  }
  return true;
}

bool Rules::OutboundIqNow(Account& account, Held& held) {
  const Envelope& envelope = *held.envelope;
  if (ForOwnAccount(account, envelope)) return parts_.iqs.AnswerNow(account, Target::kAccount, held);
  if (!parts_.sender.Reachable(envelope.to())) {
    parts_.sender.Bounce(account, std::move(held), xmpp::RemoteServerNotFound());
    return true;
  }
  if (!xmpp::ResourceOf(envelope.to()).empty()) {  // the server has no resources
    parts_.sender.Bounce(account, std::move(held), xmpp::ServiceUnavailable());
    return true;
  }
  return parts_.iqs.AnswerNow(account, Target::kServer, held);
}

Task<void> Rules::Outbound(Account& account, Held held) {
  const Envelope& envelope = *held.envelope;
  if (envelope.kind() == KIND_PRESENCE) {
    // Its sender has sent it again, to a router that may have taken more from it since. Not even as a repeat: what was
    // said before it we may have dropped, as we could not write it. Of subscriptions the roster service knows repeats.
    if (held.receipt.severed() && !IsSubscription(envelope.type())) co_return;
    if (envelope.to().empty() && envelope.type() != link::v1::TYPE_PROBE && !IsSubscription(envelope.type())) {
      co_await parts_.presence.Broadcast(account, std::move(held));
    } else if (envelope.to().empty()) {
      parts_.sender.Bounce(account, std::move(held), xmpp::BadRequest("Whom is it for?"));
    } else if (IsSubscription(envelope.type())) {
      co_await parts_.subscriptions.Outbound(account, std::move(held));
    } else {
      co_await parts_.presence.Directed(account, std::move(held));
    }
  } else if (envelope.kind() == KIND_IQ) {
    const Target target = ForOwnAccount(account, envelope) ? Target::kAccount : Target::kServer;
    co_await parts_.iqs.Answer(account, target, std::move(held));
  } else {  // to the own account, and to be stored: see OutboundNow
    co_await parts_.delivery.StoreMessage(account, std::move(held));
  }
}

// Inbound: what the recipient's server does.

bool Rules::InboundNow(Account& account, Held& held) {
  const Envelope& envelope = *held.envelope;
  if (!parts_.sender.Reachable(envelope.to())) {
    parts_.sender.Bounce(account, std::move(held), xmpp::RemoteServerNotFound());
    return true;
  }
  const bool domain = IsDomain(envelope.to());
  const bool full = !xmpp::ResourceOf(envelope.to()).empty();
  switch (envelope.kind()) {
    case KIND_MESSAGE:
      if (!domain) return parts_.delivery.MessageNow(account, held);
      parts_.sender.Bounce(account, std::move(held), xmpp::ServiceUnavailable());
      return true;
    case KIND_IQ:
      if (!full) return parts_.iqs.AnswerNow(account, domain ? Target::kServer : Target::kAccount, held);
      parts_.delivery.Iq(account, std::move(held));
      return true;
    case KIND_PRESENCE:
      return domain || InboundPresenceNow(account, held);
    default:
      log::Warn("envelope_without_kind", {{"from", envelope.from()}, tracing::TraceId(envelope.trace())});
      return true;
  }
}

bool Rules::InboundPresenceNow(Account& account, Held& held) {
  const Envelope& envelope = *held.envelope;
  if (IsSubscription(envelope.type())) return false;
  if (envelope.type() == link::v1::TYPE_PROBE) {
    return parts_.presence.AnswerProbeNow(account, envelope, held.receipt);
  }
  if (!envelope.probe()) {
    parts_.delivery.Presence(account, std::move(held));
    return true;
  }
  if (!parts_.presence.AnswerProbeNow(account, envelope, held.receipt)) return false;
  held.envelope->set_probe(false);
  parts_.delivery.Presence(account, std::move(held));
  return true;
}

Task<void> Rules::Inbound(Account& account, Held held) {
  const Envelope& envelope = *held.envelope;
  if (envelope.kind() == KIND_MESSAGE) {
    Delivery::StillDue still_due;
    if (IsLeft(envelope)) still_due = StillOwed();
    co_await parts_.delivery.StoreMessage(account, std::move(held), std::move(still_due));
  } else if (envelope.kind() == KIND_IQ) {
    const Target target = IsDomain(envelope.to()) ? Target::kServer : Target::kAccount;
    co_await parts_.iqs.Answer(account, target, std::move(held));
  } else if (IsSubscription(envelope.type())) {
    co_await parts_.subscriptions.Inbound(account, std::move(held));
  } else {
    if (envelope.type() != link::v1::TYPE_PROBE) {
      Held presence;
      presence.envelope = std::make_unique<Envelope>(envelope);
      presence.envelope->set_probe(false);
      presence.receipt = held.receipt;
      parts_.delivery.Presence(account, std::move(presence));
    }
    co_await parts_.presence.AnswerProbe(account, std::move(held));
  }
}

// What is said of sessions.

Task<void> Rules::Control(Account& account, Held held) {
  const Envelope& envelope = *held.envelope;
  if (envelope.has_unlogged()) {
    const bool noted =
        co_await parts_.sessions.NoteUnlogged(account, std::string(envelope.session()), envelope.unlogged());
    if (!noted) held.receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);  // its sender comes again
  }
  if (!envelope.has_session_ended()) co_return;
  // Its sender has said it again, to a router that may have more of the session than we do, and may have told others.
  if (held.receipt.severed()) {
    const bool reloaded = co_await parts_.accounts.Reload(account);
    if (!reloaded) co_return;
  }
  const auto& ended = envelope.session_ended();
  const bool lost = ended.reason() == "lost" && envelope.origin().empty();  // so the reaper says; an edge knows
  const Session* session = account.Asking(envelope.session());
  const bool ending = lost && parts_.store.ending(envelope.session());
  bool over = session != nullptr || !(ending || parts_.store.unknown(envelope.session()));
  if (session != nullptr && Orphans::IsOf(session->record, ended)) {
    std::string id = session->id();
    if (ended.reason() == "left") {
      co_await parts_.orphans.LetGo(account, std::move(id), held.receipt);
    } else if (lost) {
      over = co_await parts_.orphans.Lose(account, std::move(id), held.receipt);
    } else {
      co_await parts_.sessions.End(account, std::move(id), life::Event::kOver, held.receipt, ended);
    }
  }
  if (!over) held.receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);  // not yet
}

Task<void> Rules::AfterLoad(Account& account) {
  co_await parts_.orphans.Check(account);
  co_await parts_.offline.AfterLoad(account);
}

void Rules::Unreachable(Held held) {
  const Envelope& envelope = *held.envelope;
  if (envelope.kind() == KIND_CONTROL) {  // its sender has to come again
    held.receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
    return;
  }
  parts_.delivery.GiveUp(std::move(held), xmpp::ResourceConstraint("The recipient cannot be found at the moment"));
}

void Rules::OnUndelivered(Held held, Failure failure) {
  const Envelope& envelope = *held.envelope;
  if (envelope.kept()) {
    const bool gone = failure == Failure::kGone || failure == Failure::kOver;
    held.receipt.Refuse(gone ? link::v1::REFUSAL_REASON_NO_SESSION : link::v1::REFUSAL_REASON_OVERLOADED);
    return;
  }
  if (envelope.kind() == KIND_CONTROL) return;
  switch (failure) {
    case Failure::kOutdated:
      held.mark = 0;  // nobody has refused it
      [[fallthrough]];
    case Failure::kGone:
      Return(std::move(held));
      break;
    case Failure::kOver:
      EndBefore(held);
      Return(std::move(held));
      break;
    case Failure::kFull:
      parts_.delivery.GiveUp(std::move(held), xmpp::ResourceConstraint("The recipient does not keep up"));
      break;
    case Failure::kTimeout:
      parts_.delivery.GiveUp(std::move(held), xmpp::RemoteServerTimeout("The recipient's node does not answer"));
      break;
  }
}

void Rules::Return(Held held) {
  const std::string bare(xmpp::BareOf(held.envelope->to()));
  parts_.accounts.PostReturned(bare, std::move(held));
}

// As if its edge had told us: what the session left comes before what is given back.
void Rules::EndBefore(const Held& returned) {
  AccountTable::Job end;
  end.run = [this, id = returned.envelope->session(), mark = returned.mark](Account& account) {
    return parts_.orphans.EndIfOver(account, id, mark);
  };
  parts_.accounts.PostReturned(xmpp::BareOf(returned.envelope->to()), std::move(end));
}

void Rules::OnUnforwardable(Held held, rpc::RefusalReason) {
  if (held.envelope->kind() == KIND_CONTROL) return held.receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  parts_.delivery.GiveUp(std::move(held), xmpp::ResourceConstraint("The server is overloaded; try later"));
}

}  // namespace parley::router
