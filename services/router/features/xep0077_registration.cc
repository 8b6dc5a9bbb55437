#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr char kRegister[] = "jabber:iq:register";

// XEP-0077 for a user that is logged in, at its own server. (Making an account comes before logging in: see c2s.)
bool Offered(const FeatureDeps& deps, const Iq& iq) {
  const config::Host* host = deps.domains.Find(xmpp::DomainOf(iq.asker()));
  return host != nullptr && host->registration;
}

// Another domain's server has no account of this user.
bool AtHome(const Iq& iq) {
  if (xmpp::BareOf(iq.asker()) != iq.account.bare()) return false;
  return iq.envelope.to().empty() || xmpp::DomainOf(iq.envelope.to()) == xmpp::DomainOf(iq.asker());
}

IqAnswer Query(const FeatureDeps& deps, const Iq& iq) {
  if (!Offered(deps, iq) || !AtHome(iq)) return xmpp::ServiceUnavailable();
  return "<query xmlns='jabber:iq:register'><registered/><username>" + xml::Escape(xmpp::LocalOf(iq.asker())) +
         "</username><password/></query>";
}

xmpp::StanzaError Refusal(rpc::AccountProblem problem) {
  switch (problem) {
    case rpc::AccountProblem::kNoAccount:
      return xmpp::RegistrationRequired();
    case rpc::AccountProblem::kInvalid:
      return xmpp::NotAcceptable("The password cannot be used");
    case rpc::AccountProblem::kNoHost:
      return xmpp::NotAllowed();
    default:
      return xmpp::ResourceConstraint("Accounts cannot be reached at the moment; try later");
  }
}

Task<IqAnswer> ChangePassword(FeatureDeps deps, std::string bare, std::string password) {
  std::function<void(rpc::AccountsClient::Done)> start = [&](rpc::AccountsClient::Done done) {
    deps.credentials.SetPassword(bare, password, std::move(done));
  };
  const auto done = co_await Await<Result<rpc::AccountProblem>>(start);
  if (!done) co_return Refusal(rpc::AccountProblem::kStore);
  if (*done != rpc::AccountProblem::kNone) co_return Refusal(*done);
  co_return EmptyResult();
}

Task<void> EndAll(Sessions& sessions, Account& account) {
  std::vector<std::string> ids;
  for (const auto& session : account.sessions()) ids.push_back(session.id());
  const std::string text = "The account was removed";
  for (auto& id : ids) co_await sessions.Kick(account, id, "not-authorized", text);
}

Task<IqAnswer> Remove(FeatureDeps deps, const Iq& iq) {
  const auto removed = co_await deps.removal.Remove(iq.account, iq.receipt);
  if (!removed) co_return Refusal(rpc::AccountProblem::kStore);
  // A repeat finds the account gone: it was removed then, and asks for the same answer.
  const bool again = *removed == rpc::AccountProblem::kNoAccount && iq.envelope.repeat();
  if (*removed != rpc::AccountProblem::kNone && !again) co_return Refusal(*removed);
  AccountTable::Job end;  // after the answer
  end.run = [&sessions = deps.sessions](Account& account) { return EndAll(sessions, account); };
  deps.accounts.Post(iq.account.bare(), std::move(end));
  co_return EmptyResult();
}

Task<IqAnswer> Set(FeatureDeps deps, const Iq& iq) {
  if (!Offered(deps, iq) || !AtHome(iq)) co_return xmpp::ServiceUnavailable();
  if (iq.account.anonymous()) co_return xmpp::RegistrationRequired();
  const auto query = iq.Payload();
  if (!query) co_return xmpp::BadRequest();
  if (query->Find("remove", kRegister) != nullptr) {
    if (query->children().size() != 1) co_return xmpp::BadRequest("remove stands alone");
    co_return co_await Remove(deps, iq);
  }
  const xml::Element* username = query->Find("username", kRegister);
  const xml::Element* password = query->Find("password", kRegister);
  if (username == nullptr || password == nullptr || password->text().empty()) co_return xmpp::BadRequest();
  const auto local = xmpp::PrepareLocal(username->text());
  if (!local || *local != xmpp::LocalOf(iq.asker())) co_return xmpp::NotAllowed("Only the own password can be changed");
  std::string bare(xmpp::BareOf(iq.asker()));
  co_return co_await ChangePassword(deps, std::move(bare), password->text());
}

}  // namespace

Feature Xep0077Registration(const FeatureDeps& deps) {
  const auto query = [deps](const Iq& iq) { return Query(deps, iq); };
  const auto set = [deps](const Iq& iq) { return Set(deps, iq); };
  Feature feature;
  feature.xep = "0077";
  feature.server_disco = {kRegister};
  feature.offered = [](const config::Host& host) { return host.registration; };
  for (const Target target : {Target::kServer, Target::kAccount}) {
    feature.iq.push_back({.target = target,
                          .type = link::v1::TYPE_GET,
                          .ns = kRegister,
                          .name = "query",
                          .access = Access::kOwner,
                          .now = query});
    feature.iq.push_back({.target = target,
                          .type = link::v1::TYPE_SET,
                          .ns = kRegister,
                          .name = "query",
                          .access = Access::kOwner,
                          .later = set});
  }
  return feature;
}

}  // namespace parley::router
