#pragma once

#include <cstdint>
#include <map>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "parley/roster/v1/roster.pb.h"
#include "services/roster/database.h"

// The SQL of offline messages. Transactions are on the pool's threads.
namespace parley::roster::rows {

void PrepareOffline(pqxx::connection& connection);

// How much is kept for an account whose row is locked until the transaction ends.
struct Kept {
  std::int64_t account = 0;
  std::uint32_t messages = 0;
  std::uint64_t bytes = 0;
};
// In one order everywhere, so that batches cannot deadlock. Those that exist, by JID.
std::map<std::string, Kept, std::less<>> LockOwners(pqxx::transaction_base& tx, const std::set<std::string>& owners);

// A message on its way into an account.
struct Incoming {
  std::int64_t account = 0;
  const v1::StoreOffline* message = nullptr;
};
// Indexes of those that are or were stored.
std::set<std::size_t> Known(pqxx::transaction_base& tx, const std::vector<Incoming>& incoming);
// In this order, and counts them.
void Insert(pqxx::transaction_base& tx, const std::vector<Incoming>& incoming);

Query<v1::OfflineMessages, v1::Problem> ReadMessages(const v1::FetchOffline& ask);
std::uint32_t DeleteMessages(pqxx::transaction_base& tx, std::int64_t account, const std::vector<std::int64_t>& ids);
std::uint32_t ForgetTaken(pqxx::transaction_base& tx, std::int64_t older_than_ms);

}  // namespace parley::roster::rows
