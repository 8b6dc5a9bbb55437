#include "services/roster/contacts/roster_rows.h"

#include "services/roster/sql.h"

namespace parley::roster::rows {
namespace {

#define ITEM_COLUMNS "i.jid, i.name, i.groups, i.subscription, i.ask, i.approved, i.pending_in, i.in_roster"

// More requests than that are delivered when some of these are answered.
constexpr std::size_t kMaxPendingBytes = 512 << 10;

struct Statement {
  const char* name;
  const char* sql;
};

// FOR NO KEY UPDATE: the foreign keys of the rows written below do not wait for it.
constexpr Statement kLock = {
    "roster_lock",
    "SELECT a.id, a.roster_version, a.roster_items, a.roster_bytes, a.pending_in, "
    "  CASE WHEN $3 <> '' AND a.last_ask = $3 THEN a.last_answer END AS first_answer "
    "FROM accounts a JOIN hosts h ON h.id = a.host_id WHERE h.domain = $1 AND a.localpart = $2 "
    "FOR NO KEY UPDATE OF a"};
constexpr Statement kSave = {
    "roster_save",
    "UPDATE accounts SET roster_version = $2, roster_items = $3, roster_bytes = $4, pending_in = $5, "
    "  last_ask = $6, last_answer = $7 "
    "WHERE id = $1"};
constexpr Statement kReadItem = {"roster_item",
                                 "SELECT " ITEM_COLUMNS " FROM roster_items i WHERE i.account_id = $1 AND i.jid = $2"};
constexpr Statement kWriteItem = {
    "roster_write",
    "INSERT INTO roster_items "
    "  (account_id, jid, name, groups, subscription, ask, approved, pending_in, in_roster, version) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
    "ON CONFLICT (account_id, jid) DO UPDATE SET name = EXCLUDED.name, groups = EXCLUDED.groups, "
    "  subscription = EXCLUDED.subscription, ask = EXCLUDED.ask, approved = EXCLUDED.approved, "
    "  pending_in = EXCLUDED.pending_in, in_roster = EXCLUDED.in_roster, version = EXCLUDED.version"};
constexpr Statement kDeleteItem = {"roster_delete", "DELETE FROM roster_items WHERE account_id = $1 AND jid = $2"};
constexpr Statement kKeepRequest = {"roster_keep_request",
                                    "UPDATE roster_items SET pending_stanza = $3 WHERE account_id = $1 AND jid = $2"};
constexpr Statement kDropRequest = {"roster_drop_request",
                                    "UPDATE roster_items SET pending_stanza = NULL "
                                    "WHERE account_id = $1 AND jid = $2 AND pending_stanza IS NOT NULL"};
constexpr Statement kBury = {"roster_bury",
                             "INSERT INTO roster_removed (account_id, jid, version) VALUES ($1, $2, $3) "
                             "ON CONFLICT (account_id, jid) DO UPDATE SET version = EXCLUDED.version"};
constexpr Statement kForget = {
    "roster_forget",
    "DELETE FROM roster_removed WHERE account_id = $1 AND version <= "
    "  (SELECT version FROM roster_removed WHERE account_id = $1 ORDER BY version DESC OFFSET $2 LIMIT 1)"};
constexpr Statement kUnbury = {"roster_unbury", "DELETE FROM roster_removed WHERE account_id = $1 AND jid = $2"};
// One statement, hence one snapshot: the version is that of the items. When it is known, no item is looked at (OFFSET 0
// keeps the planner from making a filter of that).
constexpr Statement kReadRoster = {
    "roster_read",
    "SELECT a.roster_version::text AS version, " ITEM_COLUMNS
    " FROM accounts a JOIN hosts h ON h.id = a.host_id "
    "LEFT JOIN LATERAL (SELECT * FROM roster_items o WHERE o.account_id = a.id AND a.roster_version::text <> $3 "
    "  OFFSET 0) i ON true "
    "WHERE h.domain = $1 AND a.localpart = $2"};
constexpr Statement kReadPending = {
    "roster_pending",
    "SELECT i.pending_stanza FROM accounts a JOIN hosts h ON h.id = a.host_id "
    "LEFT JOIN roster_items i ON i.account_id = a.id AND i.pending_in AND i.pending_stanza IS NOT NULL "
    "WHERE h.domain = $1 AND a.localpart = $2 ORDER BY i.jid"};
constexpr Statement kReadAccount = {
    "roster_account",
    "SELECT floor(extract(epoch FROM a.created_at) * 1000)::bigint "
    "FROM accounts a JOIN hosts h ON h.id = a.host_id WHERE h.domain = $1 AND a.localpart = $2"};

constexpr Statement kStatements[] = {kLock, kSave,   kReadItem, kWriteItem,  kDeleteItem,  kKeepRequest, kDropRequest,
                                     kBury, kForget, kUnbury,   kReadRoster, kReadPending, kReadAccount};

v1::Item ItemOf(const pqxx::row& row) {
  v1::Item item;
  item.set_jid(row["jid"].c_str());
  item.set_name(row["name"].c_str());
  for (auto& group : sql::FromTextArray(row["groups"])) item.add_groups(std::move(group));
  item.set_subscription(static_cast<v1::Subscription>(row["subscription"].as<int>()));
  item.set_ask(row["ask"].as<bool>());
  item.set_approved(row["approved"].as<bool>());
  item.set_pending_in(row["pending_in"].as<bool>());
  item.set_in_roster(row["in_roster"].as<bool>());
  return item;
}

std::vector<std::string_view> GroupsOf(const v1::Item& item) { return {item.groups().begin(), item.groups().end()}; }

}  // namespace

void PrepareRoster(pqxx::connection& connection) {
  for (const auto& statement : kStatements) connection.prepare(statement.name, statement.sql);
}

std::optional<LockedAccount> Lock(pqxx::transaction_base& tx, std::string_view owner, const std::string& ask_key) {
  const auto found = tx.exec_prepared(kLock.name, sql::Domain(owner), sql::Local(owner), ask_key);
  if (found.empty()) return std::nullopt;
  const auto row = found.front();
  LockedAccount account;
  account.id = row["id"].as<std::int64_t>();
  account.version = row["roster_version"].as<std::int64_t>();
  account.counts.items = row["roster_items"].as<std::uint32_t>();
  account.counts.bytes = row["roster_bytes"].as<std::uint64_t>();
  account.counts.pending_in = row["pending_in"].as<std::uint32_t>();
  if (!row["first_answer"].is_null()) account.first_answer = sql::FromBytes(row["first_answer"]);
  return account;
}

void Save(pqxx::transaction_base& tx, const LockedAccount& account, const std::string& ask_key,
          const std::string& answer) {
  tx.exec_prepared(kSave.name, account.id, account.version, account.counts.items, account.counts.bytes,
                   account.counts.pending_in, ask_key, sql::Bytes(ask_key.empty() ? std::string() : answer));
}

v1::Item ReadItem(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid) {
  const auto found = tx.exec_prepared(kReadItem.name, account, jid);
  if (!found.empty()) return ItemOf(found.front());
  v1::Item absent;
  absent.set_jid(jid);
  return absent;
}

void WriteItem(pqxx::transaction_base& tx, std::int64_t account, const v1::Item& item, std::int64_t version) {
  tx.exec_prepared(kWriteItem.name, account, item.jid(), item.name(), sql::TextArray(GroupsOf(item)),
                   static_cast<int>(item.subscription()), item.ask(), item.approved(), item.pending_in(),
                   item.in_roster(), version);
}

void DeleteItem(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid) {
  tx.exec_prepared(kDeleteItem.name, account, jid);
}

void KeepRequest(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid, std::string_view stanza) {
  tx.exec_prepared(kKeepRequest.name, account, jid, sql::Bytes(stanza));
}

void DropRequest(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid) {
  tx.exec_prepared(kDropRequest.name, account, jid);
}

void Bury(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid, std::int64_t version,
          std::uint32_t history) {
  tx.exec_prepared(kBury.name, account, jid, version);
  tx.exec_prepared(kForget.name, account, history);
}

void Unbury(pqxx::transaction_base& tx, std::int64_t account, const std::string& jid) {
  tx.exec_prepared(kUnbury.name, account, jid);
}

std::optional<v1::Roster> ReadRoster(pqxx::transaction_base& tx, std::string_view owner, const std::string& known) {
  const auto found = tx.exec_prepared(kReadRoster.name, sql::Domain(owner), sql::Local(owner), known);
  if (found.empty()) return std::nullopt;
  v1::Roster roster;
  roster.set_version(found.front()["version"].c_str());
  roster.set_unchanged(roster.version() == known);
  for (const auto& row : found) {
    if (!row["jid"].is_null()) *roster.add_items() = ItemOf(row);
  }
  return roster;
}

std::optional<v1::Pending> ReadPending(pqxx::transaction_base& tx, std::string_view owner) {
  const auto found = tx.exec_prepared(kReadPending.name, sql::Domain(owner), sql::Local(owner));
  if (found.empty()) return std::nullopt;
  v1::Pending pending;
  std::size_t bytes = 0;
  for (const auto& row : found) {
    if (row[0].is_null() || bytes >= kMaxPendingBytes) break;
    bytes += row[0].size() / 2;
    pending.add_stanzas(sql::FromBytes(row[0]));
  }
  return pending;
}

v1::Account ReadAccount(pqxx::transaction_base& tx, std::string_view owner) {
  const auto found = tx.exec_prepared(kReadAccount.name, sql::Domain(owner), sql::Local(owner));
  v1::Account account;
  account.set_exists(!found.empty());
  if (!found.empty()) account.set_created_at(found.front()[0].as<std::int64_t>());
  return account;
}

}  // namespace parley::roster::rows
