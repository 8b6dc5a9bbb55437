#include "services/roster/accounts/accounts.h"

#include <algorithm>
#include <utility>

#include "libs/xmpp/jid.h"
#include "services/roster/accounts/believable.h"

namespace parley::roster {
namespace {

namespace pb = accounts::v1;

template <class Response>
Response Refused(AccountProblem problem) {
  Response response;
  response.set_problem(problem);
  return response;
}

// For answers that say no more than whether it was done.
template <class Response, class T>
std::function<void(Result<T, AccountProblem>)> Plainly(std::function<void(Response)> reply) {
  return [reply = std::move(reply)](Result<T, AccountProblem> result) {
    reply(Refused<Response>(result ? pb::PROBLEM_UNSPECIFIED : result.error()));
  };
}

pb::GetCredentialResponse ToResponse(const ScramKeys& all) {
  pb::GetCredentialResponse response;
  for (const auto& keys : all) {
    auto& out = *response.add_keys();
    out.set_hash(std::string(xmpp::scram::HashName(keys.hash)));
    out.set_salt(keys.salt);
    out.set_iterations(keys.iterations);
    out.set_stored_key(keys.stored_key);
    out.set_server_key(keys.server_key);
  }
  return response;
}

}  // namespace

struct Accounts::ImportBatch {
  pb::ImportProgress progress;
  std::vector<NewAccount> accounts;
  std::vector<int> indexes;  // of each account in the request
  std::size_t underived = 0;
  Reply<pb::ImportProgress> reply;

  void Fail(int index, const std::string& jid, AccountProblem problem) {
    auto& failure = *progress.add_failures();
    failure.set_index(index);
    failure.set_jid(jid);
    failure.set_problem(problem);
  }
};

Accounts::Accounts(AccountStore& store, KeyPool& keys, AccountOptions options)
    : store_(store), keys_(keys), options_(std::move(options)) {}

Result<std::string, AccountProblem> Accounts::Address(const std::string& text) const {
  const auto jid = xmpp::Jid::Parse(text);
  if (!jid || !jid->is_bare() || jid->local().empty()) return pb::PROBLEM_INVALID;
  if (!options_.domains.contains(std::string(jid->domain()))) return pb::PROBLEM_NO_HOST;
  return jid->str();
}

std::optional<std::string> Accounts::Password(const std::string& password) const {
  if (password.empty() || password.size() > options_.max_password_bytes) return std::nullopt;
  auto prepared = xmpp::PreparePassword(password);
  if (prepared && prepared->empty()) return std::nullopt;
  return prepared;
}

void Accounts::GetCredential(const pb::GetCredentialRequest& request, Reply<pb::GetCredentialResponse> reply) {
  const auto jid = Address(request.jid());
  if (!jid) return reply(Refused<pb::GetCredentialResponse>(jid.error()));
  if (secret_.empty()) return reply(Refused<pb::GetCredentialResponse>(pb::PROBLEM_STORE));
  // Made in any case: whether it is needed must not show in the time.
  auto believable = BelievableKeys(secret_, *jid, options_.iterations);
  store_.Keys(*jid,
              [believable = std::move(believable), reply = std::move(reply)](Result<ScramKeys, AccountProblem> keys) {
                if (keys) return reply(ToResponse(*keys));
                if (keys.error() == pb::PROBLEM_NO_ACCOUNT) return reply(ToResponse(believable));
                reply(Refused<pb::GetCredentialResponse>(keys.error()));
              });
}

void Accounts::Create(const pb::CreateRequest& request, Reply<pb::CreateResponse> reply) {
  const auto jid = Address(request.jid());
  if (!jid) return reply(Refused<pb::CreateResponse>(jid.error()));
  auto password = Password(request.password());
  if (!password) return reply(Refused<pb::CreateResponse>(pb::PROBLEM_INVALID));
  auto store = [this, jid = *jid, reply](ScramKeys keys) {
    std::vector<NewAccount> one{NewAccount{jid, std::move(keys)}};
    store_.Create(std::move(one), [reply](Result<std::vector<bool>, AccountProblem> created) {
      if (!created) return reply(Refused<pb::CreateResponse>(created.error()));
      reply(Refused<pb::CreateResponse>(created->front() ? pb::PROBLEM_UNSPECIFIED : pb::PROBLEM_EXISTS));
    });
  };
  if (!keys_.Derive(std::move(*password), std::move(store))) reply(Refused<pb::CreateResponse>(pb::PROBLEM_STORE));
}

void Accounts::SetPassword(const pb::SetPasswordRequest& request, Reply<pb::SetPasswordResponse> reply) {
  const auto jid = Address(request.jid());
  if (!jid) return reply(Refused<pb::SetPasswordResponse>(jid.error()));
  auto password = Password(request.password());
  if (!password) return reply(Refused<pb::SetPasswordResponse>(pb::PROBLEM_INVALID));
  auto store = [this, jid = *jid, reply](ScramKeys keys) {
    store_.SetKeys(jid, std::move(keys), Plainly<pb::SetPasswordResponse, Ok>(reply));
  };
  if (!keys_.Derive(std::move(*password), std::move(store))) reply(Refused<pb::SetPasswordResponse>(pb::PROBLEM_STORE));
}

void Accounts::Delete(const pb::DeleteRequest& request, Reply<pb::DeleteResponse> reply) {
  const auto jid = Address(request.jid());
  if (!jid) return reply(Refused<pb::DeleteResponse>(jid.error()));
  store_.Delete(*jid, Plainly<pb::DeleteResponse, Ok>(std::move(reply)));
}

void Accounts::Exists(const pb::ExistsRequest& request, Reply<pb::ExistsResponse> reply) {
  const auto jid = Address(request.jid());
  if (!jid) return reply(Refused<pb::ExistsResponse>(jid.error()));
  store_.Exists(*jid, [reply = std::move(reply)](Result<bool, AccountProblem> exists) {
    auto response = Refused<pb::ExistsResponse>(exists ? pb::PROBLEM_UNSPECIFIED : exists.error());
    response.set_exists(exists && *exists);
    reply(std::move(response));
  });
}

void Accounts::List(const pb::ListRequest& request, Reply<pb::ListResponse> reply) {
  if (!request.domain().empty() && !options_.domains.contains(request.domain())) {
    return reply(Refused<pb::ListResponse>(pb::PROBLEM_NO_HOST));
  }
  if (!request.after().empty() && !xmpp::Jid::Parse(request.after())) {
    return reply(Refused<pb::ListResponse>(pb::PROBLEM_INVALID));
  }
  const auto limit = std::min(request.limit() == 0 ? options_.max_page : request.limit(), options_.max_page);
  store_.List(request.domain(), request.after(), limit,
              [reply = std::move(reply)](Result<AccountPage, AccountProblem> page) {
                if (!page) return reply(Refused<pb::ListResponse>(page.error()));
                pb::ListResponse response;
                for (auto& row : page->rows) *response.add_accounts() = std::move(row);
                response.set_more(page->more);
                reply(std::move(response));
              });
}

void Accounts::Import(const pb::ImportRequest& request, Reply<pb::ImportProgress> reply) {
  const auto batch = std::make_shared<ImportBatch>();
  batch->reply = std::move(reply);
  batch->accounts.reserve(request.accounts_size());
  std::vector<std::string> passwords;
  for (int i = 0; i < request.accounts_size(); ++i) {
    const auto& account = request.accounts(i);
    const auto jid = Address(account.jid());
    auto password = Password(account.password());
    if (!jid || !password) {
      batch->Fail(i, account.jid(), !jid ? jid.error() : pb::PROBLEM_INVALID);
    } else if (batch->accounts.size() >= options_.max_import) {
      batch->Fail(i, account.jid(), pb::PROBLEM_INVALID);
    } else {
      batch->accounts.push_back({*jid, {}});
      batch->indexes.push_back(i);
      passwords.push_back(std::move(*password));
    }
  }
  batch->underived = passwords.size();
  if (passwords.empty()) return batch->reply(std::move(batch->progress));
  for (std::size_t i = 0; i < passwords.size(); ++i) {
    auto keep = [this, batch, i](ScramKeys keys) {
      batch->accounts[i].keys = std::move(keys);
      if (--batch->underived == 0) CreateDerived(batch);
    };
    if (!keys_.Derive(std::move(passwords[i]), keep)) keep({});
  }
}

void Accounts::CreateDerived(std::shared_ptr<ImportBatch> batch) {
  std::vector<NewAccount> derived;
  std::vector<std::size_t> places;  // of each in the batch
  for (std::size_t i = 0; i < batch->accounts.size(); ++i) {
    auto& account = batch->accounts[i];
    if (account.keys.empty()) {  // no room among the waiting passwords
      batch->Fail(batch->indexes[i], account.jid, pb::PROBLEM_STORE);
      continue;
    }
    derived.push_back({account.jid, std::move(account.keys)});
    places.push_back(i);
  }
  store_.Create(std::move(derived), [batch, places](Result<std::vector<bool>, AccountProblem> created) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!created) {
        batch->Fail(batch->indexes[places[i]], batch->accounts[places[i]].jid, created.error());
      } else if ((*created)[i]) {
        batch->progress.set_created(batch->progress.created() + 1);
      } else {
        batch->progress.set_existed(batch->progress.existed() + 1);
      }
    }
    batch->reply(std::move(batch->progress));
  });
}

}  // namespace parley::roster
