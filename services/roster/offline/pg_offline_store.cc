#include "services/roster/offline/pg_offline_store.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "services/roster/offline/offline_rows.h"

namespace parley::roster {
namespace {

// Messages that go in together, under the locks of all their owners.
class Batch {
 public:
  Batch(const std::vector<v1::StoreOffline>& messages, const OfflineLimits& limits)
      : messages_(messages), limits_(limits) {}

  OfflineStore::StoredEach Store(pqxx::transaction_base& tx) {
    auto kept = rows::LockOwners(tx, Owners());
    std::vector<rows::Incoming> incoming;
    for (const auto& message : messages_) {
      const auto owner = kept.find(message.owner());
      incoming.push_back({owner == kept.end() ? 0 : owner->second.account, &message});
    }
    const auto known = rows::Known(tx, incoming);
    OfflineStore::StoredEach outcomes;
    std::vector<rows::Incoming> accepted;
    for (std::size_t i = 0; i < incoming.size(); ++i) {
      if (incoming[i].account == 0) {
        outcomes.push_back(v1::PROBLEM_NO_ACCOUNT);
        continue;
      }
      outcomes.push_back(Judge(incoming[i], known.contains(i), kept.find(messages_[i].owner())->second));
      if (outcomes.back() && !outcomes.back()->repeat()) accepted.push_back(incoming[i]);
    }
    if (!accepted.empty()) rows::Insert(tx, accepted);
    return outcomes;
  }

 private:
  std::set<std::string> Owners() const {
    std::set<std::string> owners;
    for (const auto& message : messages_) owners.insert(message.owner());
    return owners;
  }

  // A repeat is never refused for the quota: it is in already.
  Result<v1::Stored, v1::Problem> Judge(const rows::Incoming& incoming, bool known, rows::Kept& kept) {
    const auto& message = *incoming.message;
    v1::Stored stored;
    const auto identity = std::make_tuple(incoming.account, message.origin(), message.origin_seq());
    stored.set_repeat(known || accepted_.contains(identity));
    if (stored.repeat()) return stored;
    const auto size = message.stanza().size();
    if (kept.messages >= limits_.max_messages || kept.bytes + size > limits_.max_bytes) return v1::PROBLEM_TOO_MANY;
    kept.messages += 1;
    kept.bytes += size;
    if (!message.origin().empty()) accepted_.insert(identity);
    return stored;
  }

  const std::vector<v1::StoreOffline>& messages_;
  const OfflineLimits& limits_;
  std::set<std::tuple<std::int64_t, std::string, std::uint64_t>> accepted_;
};

}  // namespace

void PgOfflineStore::Store(std::vector<v1::StoreOffline> messages, Reply<StoredEach> reply) {
  const auto batch = std::make_shared<const std::vector<v1::StoreOffline>>(std::move(messages));
  Database::Job<StoredEach, v1::Problem> job =
      [batch, limits = limits_](pqxx::connection& connection) -> Result<StoredEach, v1::Problem> {
    pqxx::work tx(connection);
    auto outcomes = Batch(*batch, limits).Store(tx);
    tx.commit();
    return outcomes;
  };
  database_.Run(std::move(job), v1::PROBLEM_STORE, v1::PROBLEM_IN_DOUBT, std::move(reply));
}

void PgOfflineStore::Fetch(const v1::FetchOffline& ask, Reply<v1::OfflineMessages> reply) {
  database_.Read(rows::ReadMessages(ask), v1::PROBLEM_STORE, std::move(reply));
}

void PgOfflineStore::Delete(const v1::DeleteOffline& ask, Reply<v1::Deleted> reply) {
  Database::Job<v1::Deleted, v1::Problem> job =
      [ask](pqxx::connection& connection) -> Result<v1::Deleted, v1::Problem> {
    pqxx::work tx(connection);
    const auto kept = rows::LockOwners(tx, std::set<std::string>{ask.owner()});
    if (kept.empty()) return v1::PROBLEM_NO_ACCOUNT;
    v1::Deleted deleted;
    deleted.set_messages(rows::DeleteMessages(tx, kept.begin()->second.account, {ask.ids().begin(), ask.ids().end()}));
    tx.commit();
    return deleted;
  };
  database_.Run(std::move(job), v1::PROBLEM_STORE, std::move(reply));
}

void PgOfflineStore::Forget(std::chrono::milliseconds age, Reply<std::uint32_t> reply) {
  std::function<std::uint32_t(pqxx::transaction_base&)> forget = [age](pqxx::transaction_base& tx) {
    return rows::ForgetTaken(tx, age.count());
  };
  database_.Commit(std::move(forget), v1::PROBLEM_STORE, std::move(reply));
}

}  // namespace parley::roster
