#include "services/router/intake.h"

#include "libs/base/log.h"
#include "libs/rpc/trace.h"
#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

bool IsEdge(const rpc::Link& link) { return link.peer().service == "c2s"; }

void LogStanza(const rpc::Envelope& envelope) {
  log::Debug("stanza", {{"session", envelope.origin()},
                        {"kind", link::v1::Kind_Name(envelope.kind())},
                        {"type", link::v1::Type_Name(envelope.type())},
                        {"leg", link::v1::Leg_Name(envelope.leg())},
                        tracing::TraceId(envelope.trace())});
}

}  // namespace

void Intake::Take(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  const bool inbound = envelope->leg() == link::v1::LEG_INBOUND;
  if (envelope->leg() == link::v1::LEG_DELIVER) {
    log::Error("delivery_to_a_router", {{"to", envelope->to()}, tracing::TraceId(envelope->trace())});
    return;
  }
  metrics_.taken.Add(*envelope);
  if (log::Enabled(log::Level::kDebug)) [[unlikely]]
    LogStanza(*envelope);
  rpc::Follow(tracer_, "route", *envelope, receipt);
  const std::string_view account = xmpp::BareOf(inbound ? envelope->to() : envelope->from());
  rpc::Held held;
  held.envelope = std::move(envelope);
  held.receipt = std::move(receipt);
  accounts_.Post(account, std::move(held));
}

void Intake::OnUp(rpc::Link& link) {
  log::Info("link_up", {{"service", link.peer().service}, {"peer", link.peer().instance}});
  if (IsEdge(link)) edges_.OnUp(link);
}

void Intake::OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  Take(std::move(envelope), std::move(receipt));
}

void Intake::OnRefused(rpc::Link&, rpc::Held held, rpc::RefusalReason reason) {
  edges_.OnRefused(std::move(held), reason);
}

void Intake::OnRequest(rpc::Link&, const std::string& body, Respond respond) { asks_.Answer(body, std::move(respond)); }

// Its sessions end one after another, each by its own message.
void Intake::OnDraining(rpc::Link& link) { log::Info("peer_drains", {{"peer", link.peer().instance}}); }

// Only those that have what came by that link hear of it.
void Intake::OnHurried(rpc::Link&) {
  edges_.HurryOn();
  peers_.HurryOn();
}

void Intake::OnDown(rpc::Link& link, std::vector<rpc::Held> held) {
  log::Info("link_down", {{"service", link.peer().service}, {"peer", link.peer().instance}, {"held", held.size()}});
  if (IsEdge(link)) edges_.OnDown(link, std::move(held));
}

}  // namespace parley::router
