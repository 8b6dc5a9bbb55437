#pragma once

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "parley/roster/v1/roster.pb.h"
#include "services/roster/contacts/roster_rules.h"
#include "services/roster/database.h"

// The SQL of rosters: statements, and how rows read and write. Transactions are on the pool's threads.
namespace parley::roster::rows {

void PrepareRoster(pqxx::connection& connection);

// An account whose row is locked until the transaction ends.
struct LockedAccount {
  std::int64_t id = 0;
  std::int64_t version = 0;
  std::int64_t before = 0;  // the version as it was
  RosterCounts counts;
  // COMPAT: the last change was this very ask, though perhaps of a roster service of the previous release, which
  // remembers no other: its answer.
  std::optional<std::string> last_answer;
};
// `ask`: what is asked, as one text; empty: never recognised.
std::optional<LockedAccount> Lock(pqxx::transaction_base& tx, std::string_view owner, const std::string& ask);

struct Contact {
  v1::Item item;
  std::optional<std::string> first_answer;  // `ask` was answered before: what was remembered of that
};
Contact ReadContact(pqxx::transaction_base& tx, const LockedAccount& account, const std::string& jid,
                    const std::string& ask);

struct Answered {
  std::string ask;
  std::string answer;
  std::string remembered;  // of it
};
void Save(pqxx::transaction_base& tx, const LockedAccount& account, const Answered& answered);
std::uint32_t ForgetAsks(pqxx::transaction_base& tx, std::int64_t older_than_ms);

void WriteItem(pqxx::transaction_base& tx, std::int64_t account, const v1::Item& item, std::int64_t version);
void DeleteItem(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid);
void KeepRequest(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid, std::string_view stanza);
void DropRequest(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid);
// Remembers that the item went with this version; forgets all but the newest `history`.
void Bury(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid, std::int64_t version,
          std::uint32_t history);
void Unbury(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid);

// nullopt: there are more changes than that, so the whole roster has to be asked for.
Query<std::optional<v1::Roster>, v1::Problem> ReadRoster(const v1::GetRoster& ask, std::size_t max_changes);
Query<v1::Pending, v1::Problem> ReadPending(std::string_view owner);
Query<v1::Account, v1::Problem> ReadAccount(std::string_view owner);

}  // namespace parley::roster::rows
