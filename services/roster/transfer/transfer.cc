#include "services/roster/transfer/transfer.h"

#include <map>
#include <utility>

#include "libs/xmpp/jid.h"
#include "services/roster/accounts/account_rows.h"
#include "services/roster/offline/offline_rows.h"
#include "services/roster/transfer/import_check.h"
#include "services/roster/transfer/transfer_rows.h"

namespace parley::roster {
namespace {

namespace pb = transfer::v1;
using accounts::v1::PROBLEM_INVALID;
using accounts::v1::PROBLEM_NO_ACCOUNT;
using accounts::v1::PROBLEM_NO_HOST;
using accounts::v1::PROBLEM_STORE;

constexpr std::size_t kMaxPageBytes = 1 << 20;  // well below what one gRPC message takes
constexpr std::uint32_t kMessagesAtOnce = 100;

// One transaction, so that all is of one moment.
Result<pb::ExportResponse, AccountProblem> Read(pqxx::connection& connection, const pb::ExportRequest& request) {
  pqxx::transaction<pqxx::isolation_level::repeatable_read> tx(connection);
  pb::ExportResponse response;
  if (request.after_message() == 0) {
    auto user = rows::ReadUser(tx, request.jid());
    if (!user) return PROBLEM_NO_ACCOUNT;
    *response.mutable_user() = std::move(*user);
  }
  v1::FetchOffline fetch;
  fetch.set_owner(request.jid());
  fetch.set_limit(kMessagesAtOnce);
  fetch.set_after_id(request.after_message());
  std::size_t bytes = 0;
  for (bool more = true; more;) {
    auto page = rows::ReadMessages(fetch).In(tx);
    if (!page) return PROBLEM_NO_ACCOUNT;
    for (auto& stored : *page->mutable_messages()) {
      auto& message = *response.mutable_user()->add_messages();
      bytes += stored.stanza().size();
      fetch.set_after_id(stored.id());
      message.set_stanza(std::move(*stored.mutable_stanza()));
      message.set_received_at(stored.received_at());
    }
    more = page->more();
    if (more && bytes >= kMaxPageBytes) {
      response.set_after_message(fetch.after_id());
      return response;
    }
  }
  return response;
}

}  // namespace

// The users of one message on their way through the steps.
class Transfer::Import {
 public:
  Import(const pb::ImportRequest& request, const TransferOptions& options) {
    for (int i = 0; i < request.users_size(); ++i) {
      const bool fits = users_.size() < options.max_import;
      Dropped dropped;
      auto user = Checked(request.users(i), options, dropped);
      auto keys = CheckedKeys(request.users(i));
      const auto problem = !user ? user.error() : !keys ? keys.error() : PROBLEM_INVALID;
      if (!fits || !user || !keys || (keys->empty() && request.users(i).password().empty())) {
        Fail(i, problem);
        continue;
      }
      users_.push_back(Entry{i, std::move(*user), std::move(*keys), dropped});
    }
  }

  struct Entry {
    int index = 0;  // in the request
    pb::User user;
    ScramKeys keys;
    Dropped dropped;
  };
  std::vector<Entry>& users() { return users_; }
  const std::vector<Entry>& users() const { return users_; }
  pb::ImportProgress& progress() { return progress_; }
  std::size_t underived = 0;
  rpc::Respond<pb::ImportProgress> respond;

  void Fail(int index, AccountProblem problem) {
    auto& failure = *progress_.add_failures();
    failure.set_index(static_cast<std::uint32_t>(index));
    failure.set_problem(problem);
  }
  void FailAll(AccountProblem problem) {
    for (const auto& entry : users_) Fail(entry.index, problem);
  }
  // On a pool's thread.
  pb::ImportProgress Write(pqxx::transaction_base& tx) const;

 private:
  std::vector<Entry> users_;
  pb::ImportProgress progress_;
};

pb::ImportProgress Transfer::Import::Write(pqxx::transaction_base& tx) const {
  std::map<std::string_view, const Entry*> first;  // of two with the same JID the first wins
  std::vector<std::string_view> jids;
  for (const auto& entry : users_) {
    if (first.emplace(entry.user.jid(), &entry).second) jids.push_back(entry.user.jid());
  }
  const auto ids = rows::InsertAccounts(tx, jids);
  pb::ImportProgress done;
  std::vector<rows::OwnedKeys> keys;
  std::vector<rows::NewContact> contacts;
  std::vector<rows::NewMessage> messages;
  for (std::size_t i = 0; i < jids.size(); ++i) {
    if (ids[i] == 0) continue;
    const Entry& entry = *first[jids[i]];
    keys.push_back({ids[i], &entry.keys});
    for (const auto& contact : entry.user.contacts()) contacts.push_back({ids[i], &contact});
    for (const auto& message : entry.user.messages()) messages.push_back({ids[i], &message});
    done.set_contacts_dropped(done.contacts_dropped() + entry.dropped.contacts);
    done.set_messages_dropped(done.messages_dropped() + entry.dropped.messages);
  }
  if (!keys.empty()) rows::InsertKeys(tx, keys);
  if (!contacts.empty()) rows::InsertContacts(tx, contacts);
  if (!messages.empty()) rows::InsertMessages(tx, messages);
  done.set_created(keys.size());
  done.set_existed(users_.size() - keys.size());
  done.set_contacts(contacts.size());
  done.set_messages(messages.size());
  return done;
}

Transfer::Transfer(Database& database, KeyPool& keys, TransferOptions options, telemetry::Metrics& metrics)
    : database_(database),
      keys_(keys),
      options_(std::move(options)),
      exported_(metrics.Counter("parley_roster_exports_total", "Accounts that were exported")),
      imported_(metrics.Counter("parley_roster_imports_total", "Accounts that were imported whole")) {}

void Transfer::AddTo(rpc::Methods& methods) {
  methods.Unary<pb::ExportRequest, pb::ExportResponse>(
      "/parley.transfer.v1.Transfer/Export",
      [this](const auto& request, auto respond) { Export(request, std::move(respond)); });
  methods.Conversation<pb::ImportRequest, pb::ImportProgress>("/parley.transfer.v1.Transfer/Import", [this] {
    return [this](const pb::ImportRequest& request, auto respond) { Take(request, std::move(respond)); };
  });
}

void Transfer::Export(const pb::ExportRequest& request, rpc::Respond<pb::ExportResponse> respond) {
  const auto refuse = [respond](AccountProblem problem) {
    pb::ExportResponse response;
    response.set_problem(problem);
    respond(std::move(response));
  };
  const auto jid = xmpp::Jid::Parse(request.jid());
  if (!jid || !jid->is_bare() || jid->local().empty()) return refuse(PROBLEM_INVALID);
  if (!options_.domains.contains(std::string(jid->domain()))) return refuse(PROBLEM_NO_HOST);
  pb::ExportRequest prepared = request;
  prepared.set_jid(jid->str());
  Database::Job<pb::ExportResponse, AccountProblem> job = [prepared](pqxx::connection& connection) {
    return Read(connection, prepared);
  };
  database_.Run<pb::ExportResponse, AccountProblem>(
      std::move(job), PROBLEM_STORE, [this, refuse, respond](Result<pb::ExportResponse, AccountProblem> response) {
        if (!response) return refuse(response.error());
        if (!response->user().jid().empty()) exported_.Increment();
        respond(std::move(*response));
      });
}

void Transfer::Take(const pb::ImportRequest& request, rpc::Respond<pb::ImportProgress> respond) {
  const auto import = std::make_shared<Import>(request, options_);
  import->respond = std::move(respond);
  import->underived = 1;
  const auto derived = [this, import] {
    if (--import->underived == 0) Store(import);
  };
  for (std::size_t i = 0; i < import->users().size(); ++i) {
    auto& entry = import->users()[i];
    if (!entry.keys.empty()) continue;
    auto password = entry.user.password().size() <= options_.max_password_bytes
                        ? xmpp::PreparePassword(entry.user.password())
                        : std::nullopt;
    entry.user.clear_password();
    if (!password || password->empty()) continue;  // fails for its lack of keys
    ++import->underived;
    auto keep = [import, i, derived](ScramKeys keys) {
      import->users()[i].keys = std::move(keys);
      derived();
    };
    if (!keys_.Derive(std::move(*password), keep)) keep({});
  }
  derived();
}

void Transfer::Store(std::shared_ptr<Import> import) {
  auto& users = import->users();
  std::erase_if(users, [&](const Import::Entry& entry) {
    if (entry.keys.empty()) import->Fail(entry.index, PROBLEM_INVALID);
    return entry.keys.empty();
  });
  if (users.empty()) return import->respond(std::move(import->progress()));
  Database::Job<pb::ImportProgress, AccountProblem> job =
      [import](pqxx::connection& connection) -> Result<pb::ImportProgress, AccountProblem> {
    pqxx::work tx(connection);
    auto done = import->Write(tx);
    tx.commit();
    return done;
  };
  database_.Run<pb::ImportProgress, AccountProblem>(
      std::move(job), PROBLEM_STORE, [this, import](Result<pb::ImportProgress, AccountProblem> done) {
        if (!done) {
          import->FailAll(done.error());
          return import->respond(std::move(import->progress()));
        }
        imported_.Increment(static_cast<double>(done->created()));
        done->mutable_failures()->MergeFrom(import->progress().failures());
        import->respond(std::move(*done));
      });
}

}  // namespace parley::roster
