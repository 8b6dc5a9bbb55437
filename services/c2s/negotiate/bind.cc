#include "services/c2s/negotiate/bind.h"

#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/net/tls.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/negotiate/iq.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/established.h"
#include "services/c2s/session/session.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

constexpr std::string_view kBindNs = "urn:ietf:params:xml:ns:xmpp-bind";
constexpr std::chrono::milliseconds kRetryDelay{200};

session::v1::Conflict ConflictPolicy(std::string_view name) {
  if (name == "refuse-new") return session::v1::CONFLICT_REFUSE_NEW;
  if (name == "new-resource") return session::v1::CONFLICT_NEW_RESOURCE;
  return session::v1::CONFLICT_REPLACE_OLD;
}

std::string BoundXml(const xmpp::Jid& jid) {
  std::string xml = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>";
  xml::AppendEscaped(xml, jid.str());
  return xml + "</jid></bind>";
}

}  // namespace

void Bind::Advertise(std::string& features) const {
  // RFC 3921's session is for clients that will not go on without it.
  features +=
      "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
      "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>";
}

bool Bind::Take(const xml::Child& child) {
  if (child.start.ns != kClientNs || child.start.local_name != "iq" || child.payload_ns != kBindNs) return false;
  const std::string type = AttributeOf(child.start, "type");
  if (type == "result" || type == "error") return false;  // no request: RFC 6120 8.2.3
  const auto request = ReadIq(child, stream_.namespaces());
  id_ = request ? request->id : AttributeOf(child.start, "id");
  if (!request || !request->set || request->payload.name() != "bind") {
    Refuse("bad-request", {});
    return true;
  }
  const auto* wanted = request->payload.Find("resource", kBindNs);
  const std::string text = wanted ? wanted->text() : std::string();
  if (text.empty()) {
    Start({});
  } else if (auto resource = xmpp::PrepareResource(text)) {
    Start(*resource);
  } else {
    Refuse("bad-request", "this resource is not possible");  // RFC 6120 7.7.2.1
  }
  return true;
}

void Bind::Start(const std::string& resource) {
  resource_ = resource;
  deadline_ = std::chrono::steady_clock::now() + stream_.context().config.c2s.router_timeout;
  stream_.Hold(Stream::Pause::kStage);
  Ask();
}

void Bind::Ask() {
  auto& context = stream_.context();
  const auto left = deadline_ - std::chrono::steady_clock::now();
  if (context.node.epoch().empty()) return OnUnanswered("this node has no lease yet");
  // Each try is a session of its own, so that an answer that got lost cannot be taken for another's. It is in the table
  // before the ask leaves: deliveries may come with the answer.
  session_ = std::make_shared<Session>(context, &stream_, *stream_.identity(), RandomId());
  context.sessions.Add(session_);
  epoch_ = context.node.epoch();
  context.routers.Ask(
      stream_.identity()->account.str(), Request().SerializeAsString(),
      std::chrono::duration_cast<std::chrono::milliseconds>(left),
      WhileAlive(shared_from_this(), [](Bind& self, const Result<std::string>& body) { self.OnAnswer(body); }));
}

session::v1::Ask Bind::Request() const {
  const auto& context = stream_.context();
  session::v1::Ask ask;
  auto& bind = *ask.mutable_bind();
  bind.set_account(stream_.identity()->account.str());
  bind.set_resource(resource_);
  bind.set_session(session_->id());
  bind.set_node(context.node.instance());
  bind.set_node_epoch(epoch_);
  bind.set_address(stream_.address());
  bind.set_mechanism(std::string(stream_.identity()->mechanism));
  bind.set_anonymous(stream_.identity()->anonymous);
  bind.set_conflict(ConflictPolicy(context.config.c2s.resource_conflict));
  return ask;
}

void Bind::OnAnswer(const Result<std::string>& body) {
  if (!stream_.open() || !session_) return;
  session::v1::Answer answer;
  if (!body) return OnUnanswered(body.error().message());
  if (!answer.ParseFromString(*body) || !answer.has_bound()) return OnUnanswered("the answer does not parse");
  OnBound(answer.bound());
}

void Bind::OnUnanswered(const std::string& why) {
  auto& context = stream_.context();
  log::Warn("bind_unanswered", {{"session", stream_.id()}, {"reason", why}});
  Abandon();
  if (std::chrono::steady_clock::now() + kRetryDelay < deadline_) {
    retry_ = context.loop.After(kRetryDelay, WhileAlive(shared_from_this(), [](Bind& self) { self.Ask(); }));
    return;
  }
  context.metrics.binds.Add("unanswered");
  Refuse("resource-constraint", "try again later");
  // Clients seldom try to bind again, but they connect again.
  stream_.Fail(xmpp::StreamError("resource-constraint", "no router answers"));
}

void Bind::OnBound(const session::v1::Bound& bound) {
  const auto jid = xmpp::Jid::Parse(bound.jid());
  if (!jid || !jid->is_full()) {
    stream_.context().metrics.binds.Add(bound.condition());
    Abandon();
    return Refuse(bound.condition(), bound.text());
  }
  stream_.context().metrics.binds.Add("bound");
  const auto* tls = stream_.tls();
  log::Info("session_bound", {{"session", session_->id()},
                              {"connection", stream_.id()},
                              {"jid", jid->str()},
                              {"mechanism", stream_.identity()->mechanism},
                              {"address", stream_.address()},
                              {"tls", tls ? tls->version : std::string("none")}});
  stream_.Write(IqResult(id_, BoundXml(*jid)));
  auto session = std::exchange(session_, nullptr);
  session->Activate(*jid);
  stream_.context().node.Bound(session, epoch_);
  stream_.Established(std::make_shared<Established>(stream_, std::move(session)));
  stream_.Release(Stream::Pause::kStage);
}

void Bind::Refuse(std::string_view condition, const std::string& text) {
  stream_.Write(IqError(id_, xmpp::FromCondition(condition, text)));
  stream_.Release(Stream::Pause::kStage);
}

void Bind::Abandon() {
  retry_.Cancel();
  if (auto session = std::exchange(session_, nullptr)) session->End(life::Event::kNotBound, "not bound");
}

}  // namespace parley::c2s
