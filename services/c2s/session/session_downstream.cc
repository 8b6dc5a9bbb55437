// What comes down to the client, and what of it is refused or goes back.
#include <utility>

#include "libs/xmpp/stanza.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
rpc::RefusalReason Session::Deliver(std::unique_ptr<xmpp::Envelope>& envelope, const session::Mark& mark,
                                    rpc::Receipt& receipt) {
  if (!envelope->kept()) return Take(envelope, mark, receipt);
  // What was refused stays stored, and would come behind it. The next batch comes when the outcome of this is known.
  if (batch_refused_ && envelope->batch_place() > 1) return link::v1::REFUSAL_REASON_OVERLOADED;
  const auto refusal = Take(envelope, mark, receipt);
  batch_refused_ = refusal == link::v1::REFUSAL_REASON_OVERLOADED;
  return refusal;
}

rpc::RefusalReason Session::Take(std::unique_ptr<xmpp::Envelope>& envelope, const session::Mark& mark,
                                 rpc::Receipt& receipt) {
  // What it had at another edge is not known yet. Who gives it what is stored waits for us in its account's turn, and
  // our claim may wait for that.
  if (state_ == State::kBinding) return link::v1::REFUSAL_REASON_OVERLOADED;
  if (!management_ && !HasReader()) return link::v1::REFUSAL_REASON_NO_SESSION;
  // Who gives it what is stored waits for us in its account's turn, and what we ask to be certain waits for this turn.
  // It stays stored, and comes when the session is put back.
  if (management_ && envelope->kept() && !certain() && context_.redis.up()) return link::v1::REFUSAL_REASON_OVERLOADED;
  const auto delivery = envelope->repeat() ? Uplink::Delivery::kRepeat : Uplink::Delivery::kFirst;
  if (envelope->answers() != 0 && !TakeAnswer(*envelope, delivery)) {
    context_.metrics.repeats_dropped.Increment();
    return link::v1::REFUSAL_REASON_UNSPECIFIED;
  }
  const std::size_t size = envelope->stanza().size();
  if (management_) {
    if (!management_->outbound().unacked().Fits(size)) return Overflow();
    unanswered_.NoteQueued(*envelope);
    management_->outbound().Push(std::move(envelope), mark, std::move(receipt));
    return link::v1::REFUSAL_REASON_UNSPECIFIED;
  }
  if (stream_->queued() + size > context_.config.c2s.max_outbound_bytes) {
    context_.metrics.limits.Add("outbound_bytes");
    return link::v1::REFUSAL_REASON_OVERLOADED;
  }
  context_.metrics.stanzas_out.Add(envelope->kind());
  stream_->Write(envelope->stanza());
  unanswered_.Note(*envelope, std::move(receipt));
  return link::v1::REFUSAL_REASON_UNSPECIFIED;
}

bool Session::TakeAnswer(const xmpp::Envelope& answer, Uplink::Delivery delivery) {
  if (!uplink_.TakeAnswer(answer.answers(), delivery)) return false;
  availability_.OnRefused(answer.answers(), answer);
  if (management_) management_->NoteAnswered(answer);
  return true;
}

void Session::NoteQueued(const xmpp::Envelope& envelope) {
  context_.routers.RememberQueued(*this, envelope);
  unanswered_.NoteQueued(envelope);
  if (envelope.answers() != 0) TakeAnswer(envelope, Uplink::Delivery::kRepeat);
}

void Session::Keep(std::unique_ptr<xmpp::Envelope> envelope, rpc::Receipt receipt) {
  if (early_.Keep(envelope, receipt)) return;
  context_.metrics.deliveries_refused.Add("overloaded");
  receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
}

// Who gives it what is stored waits for the outcome in the account's turn, for which what we hold may wait.
void Session::Refuse(std::unique_ptr<xmpp::Envelope> envelope, rpc::Receipt receipt) {
  if (owes() && !envelope->kept()) {
    if (early_.Keep(envelope, receipt)) return;
    GiveBack();  // what is one too many goes back with all that it is behind
  }
  context_.metrics.deliveries_refused.Add("no_session");
  receipt.Refuse(WhyGone());
}

// The router that was told may stand still, and another not know it yet.
rpc::RefusalReason Session::WhyGone() const {
  return departure_.over() ? link::v1::REFUSAL_REASON_SESSION_OVER : link::v1::REFUSAL_REASON_NO_SESSION;
}

void Session::GiveBack() {
  if (management_) management_->outbound().queue().GiveBack();
  early_.Refuse(WhyGone());
}

bool Session::owes() const { return !early_.empty() || (management_ && management_->outbound().queue().owes()); }

// What the client has not acknowledged, and what would come now, is dealt with as for one who is not there.
rpc::RefusalReason Session::Overflow() {
  context_.metrics.limits.Add("sm_queue");
  auto* stream = stream_;
  End(Event::kQueueFull, "queue full");
  if (stream) stream->Fail(xmpp::StreamError("resource-constraint", "too much is unacknowledged"));
  return link::v1::REFUSAL_REASON_NO_SESSION;
}

void Session::Write(std::string_view stanza) {
  xmpp::Envelope envelope;
  envelope.set_kind(link::v1::KIND_IQ);
  envelope.set_stanza(stanza.data(), stanza.size());
  WriteOwn(std::move(envelope));
}

void Session::WriteOwn(xmpp::Envelope envelope) {
  if (!management_) return WriteElement(envelope.stanza());
  if (!management_->outbound().unacked().Fits(envelope.stanza().size())) {
    Overflow();
    return;
  }
  management_->outbound().Push(std::make_unique<xmpp::Envelope>(std::move(envelope)), session::Mark(), rpc::Receipt());
}

void Session::WriteElement(std::string_view xml) {
  if (stream_) stream_->Write(xml);
}

void Session::WriteManaged(std::string_view stanza) {
  stream_->Write(stanza);
  management_->acks().OnWritten(stanza.size());
}

}  // namespace parley::c2s
