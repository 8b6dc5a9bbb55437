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

// An account that came from another server may have keys of one hash only: for the others it looks like a name that
// does not exist, to which no password fits.
ScramKeys Completed(ScramKeys keys, const ScramKeys& believable) {
  for (const auto& other : believable) {
    const auto same = [&](const auto& own) { return own.hash == other.hash; };
    if (std::none_of(keys.begin(), keys.end(), same)) keys.push_back(other);
  }
  return keys;
}

}  // namespace

// The accounts of one message on their way through the steps; those that drop out have said why.
struct Accounts::ImportBatch {
  struct Entry {
    int index = 0;  // in the request
    NewAccount account;
    std::string password;
  };

  pb::ImportProgress progress;
  std::vector<Entry> entries;
  std::size_t underived = 0;
  Reply<pb::ImportProgress> reply;

  void Fail(int index, const std::string& jid, AccountProblem problem) {
    auto& failure = *progress.add_failures();
    failure.set_index(index);
    failure.set_jid(jid);
    failure.set_problem(problem);
  }
  void FailAll(AccountProblem problem) {
    for (const auto& entry : entries) Fail(entry.index, entry.account.jid, problem);
    entries.clear();
  }
  // Those whose flag is set existed before.
  void CountExisting(const std::vector<bool>& existing) {
    std::vector<Entry> rest;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (existing[i]) {
        progress.set_existed(progress.existed() + 1);
      } else {
        rest.push_back(std::move(entries[i]));
      }
    }
    entries = std::move(rest);
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

ScramKeys Accounts::Believable(const std::string& jid) const {
  const auto host = survey_.find(xmpp::DomainOf(jid));
  const auto counts = host == survey_.end() ? IterationCounts() : host->second;
  return BelievableKeys(secret_, jid, BelievableIterations(secret_, jid, counts, options_.iterations));
}

void Accounts::GetCredential(const pb::GetCredentialRequest& request, Reply<pb::GetCredentialResponse> reply) {
  const auto jid = Address(request.jid());
  if (!jid) return reply(Refused<pb::GetCredentialResponse>(jid.error()));
  if (!gives_credentials()) return reply(Refused<pb::GetCredentialResponse>(pb::PROBLEM_STORE));
  // Made in any case: whether it is needed must not show in the time.
  auto believable = Believable(*jid);
  store_.Keys(*jid,
              [believable = std::move(believable), reply = std::move(reply)](Result<ScramKeys, AccountProblem> keys) {
                if (keys) return reply(ToResponse(Completed(std::move(*keys), believable)));
                if (keys.error() == pb::PROBLEM_NO_ACCOUNT) return reply(ToResponse(believable));
                reply(Refused<pb::GetCredentialResponse>(keys.error()));
              });
}

// Looks first: keys cost a thousand times as much as a look, and names that are taken are tried often.
void Accounts::Create(const pb::CreateRequest& request, Reply<pb::CreateResponse> reply) {
  const auto jid = Address(request.jid());
  if (!jid) return reply(Refused<pb::CreateResponse>(jid.error()));
  auto password = Password(request.password());
  if (!password) return reply(Refused<pb::CreateResponse>(pb::PROBLEM_INVALID));
  store_.Exist({*jid}, [this, jid = *jid, password = std::move(*password),
                        reply](Result<std::vector<bool>, AccountProblem> exist) {
    if (!exist) return reply(Refused<pb::CreateResponse>(exist.error()));
    if (exist->front()) return reply(Refused<pb::CreateResponse>(pb::PROBLEM_EXISTS));
    Store(jid, password, reply);
  });
}

void Accounts::Store(const std::string& jid, std::string password, Reply<pb::CreateResponse> reply) {
  auto store = [this, jid, reply](ScramKeys keys) {
    std::vector<NewAccount> one{NewAccount{jid, std::move(keys)}};
    store_.Create(std::move(one), [reply](Result<std::vector<bool>, AccountProblem> created) {
      if (!created) return reply(Refused<pb::CreateResponse>(created.error()));
      reply(Refused<pb::CreateResponse>(created->front() ? pb::PROBLEM_UNSPECIFIED : pb::PROBLEM_EXISTS));
    });
  };
  if (!keys_.Derive(std::move(password), std::move(store))) reply(Refused<pb::CreateResponse>(pb::PROBLEM_STORE));
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
  store_.Exist({*jid}, [reply = std::move(reply)](Result<std::vector<bool>, AccountProblem> exist) {
    auto response = Refused<pb::ExistsResponse>(exist ? pb::PROBLEM_UNSPECIFIED : exist.error());
    response.set_exists(exist && exist->front());
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

void Accounts::Count(const pb::CountRequest& request, Reply<pb::CountResponse> reply) {
  if (!request.domain().empty() && !options_.domains.contains(request.domain())) {
    return reply(Refused<pb::CountResponse>(pb::PROBLEM_NO_HOST));
  }
  store_.Count(request.domain(), [reply = std::move(reply)](Result<std::uint64_t, AccountProblem> count) {
    if (!count) return reply(Refused<pb::CountResponse>(count.error()));
    pb::CountResponse response;
    response.set_accounts(*count);
    reply(std::move(response));
  });
}

void Accounts::Import(const pb::ImportRequest& request, Reply<pb::ImportProgress> reply) {
  const auto batch = std::make_shared<ImportBatch>();
  batch->reply = std::move(reply);
  std::vector<std::string> jids;
  for (int i = 0; i < request.accounts_size(); ++i) {
    const auto& account = request.accounts(i);
    const auto jid = Address(account.jid());
    auto password = Password(account.password());
    const bool fits = batch->entries.size() < options_.max_import;
    if (!jid || !password || !fits) {
      batch->Fail(i, account.jid(), !jid ? jid.error() : pb::PROBLEM_INVALID);
      continue;
    }
    jids.push_back(*jid);
    batch->entries.push_back({i, {*jid, {}}, std::move(*password)});
  }
  store_.Exist(std::move(jids), [this, batch](Result<std::vector<bool>, AccountProblem> existing) {
    if (existing) {
      batch->CountExisting(*existing);
    } else {
      batch->FailAll(existing.error());
    }
    DeriveNew(batch);
  });
}

void Accounts::DeriveNew(std::shared_ptr<ImportBatch> batch) {
  batch->underived = batch->entries.size();
  if (batch->entries.empty()) return batch->reply(std::move(batch->progress));
  for (std::size_t i = 0; i < batch->entries.size(); ++i) {
    auto keep = [this, batch, i](ScramKeys keys) {
      batch->entries[i].account.keys = std::move(keys);
      if (--batch->underived == 0) CreateDerived(batch);
    };
    // Without keys: there was no room among the waiting passwords.
    if (!keys_.Derive(std::move(batch->entries[i].password), keep)) keep({});
  }
}

void Accounts::CreateDerived(std::shared_ptr<ImportBatch> batch) {
  std::vector<NewAccount> derived;
  std::vector<ImportBatch::Entry> entries = std::move(batch->entries);
  batch->entries.clear();
  for (auto& entry : entries) {
    if (entry.account.keys.empty()) {
      batch->Fail(entry.index, entry.account.jid, pb::PROBLEM_STORE);
      continue;
    }
    derived.push_back({entry.account.jid, std::move(entry.account.keys)});
    batch->entries.push_back(std::move(entry));
  }
  store_.Create(std::move(derived), [batch](Result<std::vector<bool>, AccountProblem> created) {
    if (created) {
      for (const bool is_new : *created) {
        if (is_new) batch->progress.set_created(batch->progress.created() + 1);
        if (!is_new) batch->progress.set_existed(batch->progress.existed() + 1);
      }
    } else {
      batch->FailAll(created.error());
    }
    batch->reply(std::move(batch->progress));
  });
}

}  // namespace parley::roster
