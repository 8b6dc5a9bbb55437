#include <set>

#include "libs/base/log.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "services/router/admin_api.h"
#include "services/router/features/features.h"

namespace parley::router {
namespace {

namespace pb = admin::v1;

constexpr char kAdmin[] = "http://jabber.org/protocol/admin";

struct FieldSpec {
  const char* var;
  const char* type;
  const char* label;
};

std::string FormOf(const std::string& title, const std::vector<FieldSpec>& fields) {
  std::string xml = "<x xmlns='jabber:x:data' type='form'><title>" + title +
                    "</title><field type='hidden' var='FORM_TYPE'><value>" + kAdmin + "</value></field>";
  for (const auto& field : fields) {
    xml += std::string("<field var='") + field.var + "' type='" + field.type + "' label='" + field.label +
           "'><required/></field>";
  }
  return xml + "</x>";
}

std::string ResultOf(const std::vector<std::pair<std::string, std::string>>& values) {
  std::string xml = std::string("<x xmlns='jabber:x:data' type='result'><field type='hidden' var='FORM_TYPE'><value>") +
                    kAdmin + "</value></field>";
  for (const auto& [var, value] : values) {
    xml += "<field var='" + var + "'><value>" + xml::Escape(value) + "</value></field>";
  }
  return xml + "</x>";
}

std::string First(const FormValues& values, std::string_view var) {
  const auto found = values.find(var);
  return found == values.end() || found->second.empty() ? std::string() : found->second.front();
}

// An account of the domain whose administrator asks: an administrator of one has no say in another.
std::optional<xmpp::Jid> AccountIn(const std::string& text, const Iq& iq) {
  auto jid = xmpp::Jid::Parse(text);
  if (!jid || jid->local().empty() || jid->domain() != xmpp::DomainOf(iq.envelope.to())) return std::nullopt;
  return jid;
}
xmpp::StanzaError NoAccountHere() { return xmpp::NotAcceptable("That is not an address of this domain"); }

xmpp::StanzaError Refusal(rpc::AccountProblem problem) {
  switch (problem) {
    case rpc::AccountProblem::kExists:
      return xmpp::Conflict("The account exists already");
    case rpc::AccountProblem::kNoAccount:
      return xmpp::ItemNotFound("There is no such account");
    case rpc::AccountProblem::kInvalid:
      return xmpp::NotAcceptable("The password cannot be used");
    default:
      return xmpp::ResourceConstraint("Accounts cannot be reached at the moment; try later");
  }
}

void Audit(const char* event, const Iq& iq, std::string_view account) {
  log::Info(event, {{"account", account}, {"admin", xmpp::BareOf(iq.asker())}});
}

using Change = void (rpc::AccountsClient::*)(const std::string&, const std::string&, rpc::AccountsClient::Done);

Task<CommandAnswer> ChangePasswordOf(rpc::AccountsClient& accounts, Change change, std::string jid,
                                     std::string password, std::string note) {
  std::function<void(rpc::AccountsClient::Done)> start = [&](rpc::AccountsClient::Done done) {
    (accounts.*change)(jid, password, std::move(done));
  };
  const auto done = co_await Await<Result<rpc::AccountProblem>>(start);
  if (!done) co_return Refusal(rpc::AccountProblem::kStore);
  if (*done != rpc::AccountProblem::kNone) co_return Refusal(*done);
  CommandResult result;
  result.note = std::move(note);
  co_return result;
}

Task<CommandAnswer> AddUser(FeatureDeps deps, const Iq& iq, FormValues values) {
  const auto jid = AccountIn(First(values, "accountjid"), iq);
  if (!jid) co_return NoAccountHere();
  const std::string password = First(values, "password");
  if (password != First(values, "password-verify")) co_return xmpp::NotAcceptable("The passwords differ");
  Audit("admin_add_user", iq, jid->bare());
  std::string bare(jid->bare());
  co_return co_await ChangePasswordOf(deps.credentials, &rpc::AccountsClient::Create, std::move(bare), password,
                                      "The account was made");
}

Task<CommandAnswer> ChangePassword(FeatureDeps deps, const Iq& iq, FormValues values) {
  const auto jid = AccountIn(First(values, "accountjid"), iq);
  if (!jid) co_return NoAccountHere();
  Audit("admin_change_password", iq, jid->bare());
  std::string bare(jid->bare());
  co_return co_await ChangePasswordOf(deps.credentials, &rpc::AccountsClient::SetPassword, std::move(bare),
                                      First(values, "password"), "The password was changed");
}

// The accounts that a form names, or why not. The own account is busy with this very request.
Result<std::vector<std::string>, xmpp::StanzaError> Named(const Iq& iq, const FormValues& values) {
  const auto given = values.find("accountjids");
  std::vector<std::string> jids;
  if (given != values.end()) {
    for (const auto& text : given->second) {
      const auto jid = AccountIn(text, iq);
      if (!jid) return NoAccountHere();
      if (jid->bare() == iq.account.bare()) return xmpp::NotAllowed("Not the own account");
      jids.push_back(jid->str());
    }
  }
  if (jids.empty()) return xmpp::BadRequest("No account is named");
  return jids;
}

Task<CommandAnswer> DeleteUsers(FeatureDeps deps, const Iq& iq, FormValues values) {
  const auto jids = Named(iq, values);
  if (!jids) co_return jids.error();
  for (const auto& jid : *jids) {
    Audit("admin_delete_user", iq, jid);
    std::function<void(std::function<void(pb::RemoveAccountResponse)>)> start = [&](auto done) {
      deps.operations.RemoveAccount(jid, std::move(done));
    };
    const auto removed = co_await Await<pb::RemoveAccountResponse>(start);
    if (!removed.failure().empty()) co_return Refusal(rpc::AccountProblem::kStore);
    if (!removed.existed()) co_return xmpp::ItemNotFound("There is no account " + jid);
  }
  CommandResult result;
  result.note = "Deleted";
  co_return result;
}

Task<CommandAnswer> EndSessions(FeatureDeps deps, const Iq& iq, FormValues values) {
  const auto jids = Named(iq, values);
  if (!jids) co_return jids.error();
  std::uint32_t ended = 0;
  for (const auto& jid : *jids) {
    Audit("admin_end_user_session", iq, jid);
    pb::KickSessionsRequest request;
    request.set_account(jid);
    std::function<void(std::function<void(pb::KickSessionsResponse)>)> start = [&](auto done) {
      deps.operations.KickSessions(request, std::move(done));
    };
    const auto kicked = co_await Await<pb::KickSessionsResponse>(start);
    ended += kicked.kicked();
  }
  CommandResult result;
  result.note = "Ended sessions: " + std::to_string(ended);
  co_return result;
}

struct SessionCounts {
  std::uint64_t sessions = 0;
  std::set<std::string> accounts;
  std::string failure;
};

Task<SessionCounts> CountSessions(AdminApi& operations, std::string account, std::string domain) {
  pb::ListSessionsRequest request;
  request.set_account(std::move(account));
  request.set_domain(std::move(domain));
  SessionCounts counts;
  AdminApi::Row row = [&counts](const pb::SessionRow& session) {
    ++counts.sessions;
    counts.accounts.insert(session.account());
    return true;
  };
  std::function<void(AdminApi::Done)> start = [&](AdminApi::Done done) {
    operations.ListSessions(request, row, std::move(done));
  };
  auto failure = co_await Await<std::string>(start);
  counts.failure = std::move(failure);
  co_return counts;
}

Task<CommandAnswer> CountOnline(FeatureDeps deps, const Iq& iq, FormValues) {
  std::string domain(xmpp::DomainOf(iq.envelope.to()));
  const auto counts = co_await CountSessions(deps.operations, {}, std::move(domain));
  if (!counts.failure.empty()) co_return Refusal(rpc::AccountProblem::kStore);
  CommandResult result;
  result.form = ResultOf({{"onlineusersnum", std::to_string(counts.accounts.size())}});
  co_return result;
}

Task<CommandAnswer> CountRegistered(FeatureDeps deps, const Iq& iq, FormValues) {
  const std::string domain(xmpp::DomainOf(iq.envelope.to()));
  using Number = Result<rpc::AccountsClient::Number>;
  std::function<void(std::function<void(Number)>)> start = [&](auto done) {
    deps.credentials.Count(domain, std::move(done));
  };
  const auto number = co_await Await<Number>(start);
  if (!number || number->problem != rpc::AccountProblem::kNone) co_return Refusal(rpc::AccountProblem::kStore);
  CommandResult result;
  result.form = ResultOf({{"registeredusersnum", std::to_string(number->accounts)}});
  co_return result;
}

Task<CommandAnswer> UserStats(FeatureDeps deps, const Iq& iq, FormValues values) {
  const auto jid = AccountIn(First(values, "accountjid"), iq);
  if (!jid) co_return NoAccountHere();
  const std::string bare(jid->bare());
  roster::v1::Ask ask;
  ask.mutable_get_roster()->set_owner(bare);
  const auto answer = co_await deps.rosters.Ask(bare, std::move(ask));
  if (answer.problem() == roster::v1::PROBLEM_NO_ACCOUNT) co_return Refusal(rpc::AccountProblem::kNoAccount);
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED) co_return Refusal(rpc::AccountProblem::kStore);
  int contacts = 0;
  for (const auto& item : answer.roster().items()) contacts += item.in_roster() ? 1 : 0;
  std::string account = bare;
  const auto counts = co_await CountSessions(deps.operations, std::move(account), {});
  CommandResult result;
  result.form = ResultOf({{"accountjid", bare},
                          {"rostersize", std::to_string(contacts)},
                          {"onlineresources", std::to_string(counts.sessions)}});
  co_return result;
}

// XEP-0133 4.23. Lines come as values of their own.
Task<CommandAnswer> Announce(FeatureDeps deps, const Iq& iq, FormValues values) {
  std::string text;
  if (const auto lines = values.find("announcement"); lines != values.end()) {
    for (const auto& line : lines->second) text += (text.empty() ? "" : "\n") + line;
  }
  if (text.empty()) co_return xmpp::BadRequest("There is no text");
  const std::string domain(xmpp::DomainOf(iq.envelope.to()));
  Audit("admin_announce", iq, domain);
  std::function<void(std::function<void(Result<std::size_t>)>)> start = [&](auto done) {
    deps.operations.Announce(domain, text, std::move(done));
  };
  const auto accounts = co_await Await<Result<std::size_t>>(start);
  if (!accounts) co_return xmpp::ResourceConstraint("Sessions cannot be read at the moment; try later");
  CommandResult result;
  result.note = "On its way to users: " + std::to_string(*accounts);
  co_return result;
}

}  // namespace

// XEP-0133 for the administrators of a host, in their own client.
Feature Xep0133Administration(const FeatureDeps& deps) {
  const FieldSpec account{"accountjid", "jid-single", "The account"};
  const FieldSpec accounts{"accountjids", "jid-multi", "The accounts"};
  const FieldSpec password{"password", "text-private", "The password"};
  const FieldSpec announcement{"announcement", "text-multi", "Announcement"};
  const FieldSpec again{"password-verify", "text-private", "The password again"};
  const auto add = [&](Feature& feature, const char* node, const std::string& name, std::string form, auto run) {
    auto bound = [deps, run](const Iq& iq, FormValues values) { return run(deps, iq, std::move(values)); };
    feature.commands.push_back({std::string(kAdmin) + "#" + node, name, std::move(form), bound});
  };
  Feature feature;
  feature.xep = "0133";
  add(feature, "add-user", "Add a user", FormOf("Add a user", {account, password, again}), AddUser);
  add(feature, "delete-user", "Delete users", FormOf("Delete users", {accounts}), DeleteUsers);
  add(feature, "change-user-password", "Change a user's password",
      FormOf("Change a user's password", {account, password}), ChangePassword);
  add(feature, "end-user-session", "End users' sessions", FormOf("End users' sessions", {accounts}), EndSessions);
  add(feature, "user-stats", "Statistics of a user", FormOf("Statistics of a user", {account}), UserStats);
  add(feature, "get-registered-users-num", "Number of registered users", {}, CountRegistered);
  add(feature, "announce", "Announcement to users online", FormOf("Announcement to users online", {announcement}),
      Announce);
  add(feature, "get-online-users-num", "Number of users online", {}, CountOnline);
  return feature;
}

}  // namespace parley::router
