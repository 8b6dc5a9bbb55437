#include "services/router/sender.h"

#include "libs/rpc/trace.h"
#include "libs/session/queue.h"
#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

// Another router does the same by now, or has done it.
void MarkIfSentAgain(Held& held) {
  if (held.receipt.severed()) [[unlikely]]
    held.envelope->set_repeat(true);
}

}  // namespace

Sender::Sender(Edges& edges, Peers& peers, const Domains& domains, Metrics& metrics)
    : edges_(edges), peers_(peers), domains_(domains), metrics_(metrics) {}

void Sender::Deliver(const Session& session, Held held) {
  metrics_.delivered.Increment();
  rpc::NoteOutcome(held.receipt, "delivered");
  if (IsLeft(*held.envelope)) metrics_.unacknowledged_delivered.Increment();
  MarkIfSentAgain(held);
  edges_.Deliver(session.record, std::move(held));
}

void Sender::Deliver(const Session& session, Envelope envelope, Receipt receipt) {
  Held held;
  held.envelope = std::make_unique<Envelope>(std::move(envelope));
  held.receipt = std::move(receipt);
  Deliver(session, std::move(held));
}

void Sender::Forward(Held held) {
  metrics_.forwarded.Increment();
  rpc::NoteOutcome(held.receipt, "forwarded");
  held.envelope->set_leg(link::v1::LEG_INBOUND);
  MarkIfSentAgain(held);
  const std::string_view key = xmpp::BareOf(held.envelope->to());
  peers_.Send(key, std::move(held.envelope), std::move(held.receipt));
}

void Sender::Forward(Envelope envelope, Receipt receipt) {
  Held held;
  held.envelope = std::make_unique<Envelope>(std::move(envelope));
  held.receipt = std::move(receipt);
  Forward(std::move(held));
}

bool Sender::Linked(const Session& session) const { return edges_.linked(session.record.node()); }

bool Sender::Reachable(std::string_view jid) const { return domains_.Serves(xmpp::DomainOf(jid)); }

void Sender::Reply(Account& here, const Envelope& request, Envelope reply, Receipt receipt) {
  reply.set_repeat(request.repeat());
  // To the very session that asked.
  reply.set_session(request.origin());
  if (!IsLeft(request)) {
    reply.set_answers(request.origin_seq());  // it need not wait for anything else then
  } else {
    // It was told long ago that its stanza is taken, and waits for no more.
    reply.set_origin(session::OriginOfUnacknowledged(request.unacknowledged_by()));
    reply.set_origin_seq(request.unacknowledged_number());
  }
  rpc::PassTrace(request, reply);
  if (xmpp::BareOf(reply.to()) != here.bare()) {
    if (Reachable(reply.to())) Forward(std::move(reply), std::move(receipt));
    return;
  }
  // What is for an own session needs no way through a mailbox, and keeps its place in the order.
  const Session* session =
      request.origin().empty() ? here.WithResource(xmpp::ResourceOf(reply.to())) : here.Asking(request.origin());
  if (session != nullptr) Deliver(*session, std::move(reply), std::move(receipt));
}

// Nobody waits for an answer to what a server sent by itself: a push (from the own bare JID), or from a domain.
bool Sender::MayAnswer(const Envelope& envelope) {
  if (xmpp::LocalOf(envelope.from()).empty()) return false;
  return !envelope.origin().empty() || !xmpp::ResourceOf(envelope.from()).empty();
}

void Sender::Bounce(Account& here, Held held, const xmpp::StanzaError& error) {
  if (!MayAnswer(*held.envelope)) return;
  auto reply = xmpp::MakeError(*held.envelope, error);
  if (!reply) return;
  CountBounce(error.condition());
  if (IsLeft(*held.envelope)) metrics_.unacknowledged_bounced.Increment();
  Reply(here, *held.envelope, std::move(*reply), held.receipt);
  if (auto* span = held.receipt.span()) [[unlikely]] {
    span->Set(tracing::kOutcome, "bounced");
    span->Fail(error.condition());
  }
}

void Sender::Bounce(Held held, const xmpp::StanzaError& error) {
  Account nowhere{std::string()};
  Bounce(nowhere, std::move(held), error);
}

void Sender::Disconnect(const Record& record, const std::string& condition, const std::string& text, Receipt receipt) {
  Envelope control;
  control.set_kind(link::v1::KIND_CONTROL);
  control.mutable_disconnect()->set_condition(condition);
  control.mutable_disconnect()->set_text(text);
  Held held;
  held.envelope = std::make_unique<Envelope>(std::move(control));
  held.receipt = std::move(receipt);
  edges_.Deliver(record, std::move(held));
}

void Sender::CountBounce(std::string_view condition) {
  auto counter = bounces_.find(condition);
  if (counter == bounces_.end()) {
    auto& made = metrics_.registry.Counter("parley_router_bounces_total", "Stanzas answered with an error",
                                           {{"condition", std::string(condition)}});
    counter = bounces_.emplace(std::string(condition), &made).first;
  }
  counter->second->Increment();
}

}  // namespace parley::router
