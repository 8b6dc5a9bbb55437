#include "services/c2s/negotiate/registration.h"

#include "libs/base/log.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

constexpr std::string_view kRegisterNs = "jabber:iq:register";
constexpr std::string_view kForm =
    "<query xmlns='jabber:iq:register'><instructions>Choose a username and password.</instructions>"
    "<username/><password/></query>";

std::string Field(const xml::Element& form, std::string_view name) {
  const auto* field = form.Find(name, kRegisterNs);
  return field ? field->text() : std::string();
}

}  // namespace

bool Registration::Offered() const {
  return stream_.host().registration && (stream_.secure() || !stream_.context().config.c2s.starttls_required);
}

void Registration::Advertise(std::string& features) const {
  if (Offered()) features += "<register xmlns='http://jabber.org/features/iq-register'/>";
}

bool Registration::Take(const xml::Child& child) {
  if (child.start.ns != kClientNs || child.start.local_name != "iq" || child.payload_ns != kRegisterNs) return false;
  const auto request = ReadIq(child, stream_.namespaces());
  if (!request) return false;
  if (!Offered()) {
    Refuse(request->id, xmpp::NotAllowed("registration is not open here"));
  } else if (!IsForUs(child)) {
    Refuse(request->id, xmpp::NotAllowed("accounts are made at the host of this stream only"));
  } else if (request->payload.name() != "query") {
    Refuse(request->id, xmpp::BadRequest());
  } else if (!request->set) {
    stream_.Write(IqResult(request->id, kForm));
  } else if (request->payload.Find("remove", kRegisterNs)) {
    Refuse(request->id, xmpp::RegistrationRequired("log in first"));  // XEP-0077 3.2
  } else {
    Create(*request);
  }
  return true;
}

// The host of the stream, named or not.
bool Registration::IsForUs(const xml::Child& child) const {
  const std::string to = AttributeOf(child.start, "to");
  if (to.empty()) return true;
  const auto jid = xmpp::Jid::Parse(to);
  return jid && jid->str() == stream_.host().domain;
}

void Registration::Create(const IqRequest& request) {
  const auto username = Field(request.payload, "username");
  const auto password = Field(request.payload, "password");
  if (username.empty() || password.empty()) {
    return Refuse(request.id, xmpp::NotAcceptable("a username and a password are needed"));
  }
  const auto account = xmpp::Jid::Make(username, stream_.host().domain);
  const auto prepared = xmpp::PreparePassword(password);
  if (!account) return Refuse(request.id, xmpp::NotAcceptable("this username is not possible"));
  if (!prepared) return Refuse(request.id, xmpp::NotAcceptable("this password is not possible"));
  if (!stream_.ticket().MayRegister()) {
    return Refuse(request.id, xmpp::ResourceConstraint("too many registrations from your address"));
  }
  stream_.Hold(Stream::Pause::kStage);
  auto done = [id = request.id, account = account->str()](Registration& self,
                                                          const Result<rpc::AccountProblem>& problem) {
    const bool created = problem && *problem == rpc::AccountProblem::kNone;
    log::Info("registration", {{"session", self.stream_.id()}, {"account", account}, {"created", created}});
    self.Answer(id, problem);
  };
  stream_.context().accounts.Create(account->str(), *prepared, WhileAlive(shared_from_this(), std::move(done)));
}

void Registration::Answer(const std::string& id, const Result<rpc::AccountProblem>& problem) {
  stream_.Release(Stream::Pause::kStage);
  if (!problem) return Refuse(id, xmpp::InternalServerError());
  switch (*problem) {
    case rpc::AccountProblem::kNone:
      return stream_.Write(IqResult(id));
    case rpc::AccountProblem::kExists:
      return Refuse(id, xmpp::Conflict("this username is taken"));
    case rpc::AccountProblem::kInvalid:
      return Refuse(id, xmpp::NotAcceptable());
    case rpc::AccountProblem::kNoHost:
    case rpc::AccountProblem::kNoAccount:
      return Refuse(id, xmpp::NotAllowed());
    case rpc::AccountProblem::kStore:
      return Refuse(id, xmpp::ResourceConstraint("try again later"));
  }
}

void Registration::Refuse(const std::string& id, const xmpp::StanzaError& error) {
  stream_.Write(IqError(id, error));
  if (++attempts_ < stream_.context().config.c2s.max_auth_attempts) return;
  stream_.context().metrics.limits.Add("auth_attempts");
  stream_.Fail(xmpp::StreamError("policy-violation", "too many failed registrations"));
}

}  // namespace parley::c2s
