#include "services/roster/contacts/roster_rows.h"

#include <charconv>

#include "services/roster/sql.h"

namespace parley::roster::rows {
namespace {

#define ITEM_COLUMNS(of)                                                                                          \
  of ".jid, " of ".name, " of ".groups, " of ".subscription, " of ".ask, " of ".approved, " of ".pending_in, " of \
     ".in_roster"
// All that changed since the version $3 is known.
#define CHANGES_KNOWN "coalesce($3::bigint >= a.roster_floor AND $3::bigint < a.roster_version, false)"

// The contact, of one of our hosts, has no such subscriber.
#define REFUSED                                                                                              \
  "o.subscription IN (1, 3) AND EXISTS (SELECT 1 FROM hosts ch WHERE ch.domain = split_part(o.jid, '@', 2) " \
  "  AND NOT EXISTS (SELECT 1 FROM accounts c JOIN roster_items ci ON ci.account_id = c.id "                 \
  "    WHERE c.host_id = ch.id AND c.localpart = split_part(o.jid, '@', 1) "                                 \
  "    AND ci.jid = a.localpart || '@' || h.domain AND ci.subscription IN (2, 3)))"

// More requests than that are delivered when some of these are answered. No setting: how many and how large they may be
// has (roster.max_pending_in, roster.max_pending_bytes).
constexpr std::size_t kMaxPendingBytes = 512 << 10;

// In one transaction; the next one goes on.
constexpr int kForgetAtOnce = 5000;

#define HASHED(ask) "sha256(convert_to(" ask ", 'UTF8'))"

using storage::Statement;

// FOR NO KEY UPDATE: the foreign keys of the rows written below do not wait for it.
constexpr Statement kLock = {
    "roster_lock",
    "SELECT a.id, a.roster_version, a.roster_items, a.roster_bytes, a.pending_in, "
    "  CASE WHEN $3 <> '' AND a.last_ask = $3 THEN a.last_answer END AS last_answer "
    "FROM accounts a JOIN hosts h ON h.id = a.host_id WHERE h.domain = $1 AND a.localpart = $2 "
    "FOR NO KEY UPDATE OF a"};
// COMPAT: a roster service of the previous release knows last_ask alone.
constexpr Statement kSave = {
    "roster_save",
    "WITH remembered AS ("
    "  INSERT INTO roster_asks (account_id, ask, answer) "
    "  SELECT $1::bigint, " HASHED("$6::text") ", $9::bytea WHERE $6 <> '' ON CONFLICT DO NOTHING) "
    "UPDATE accounts SET roster_version = $2, roster_items = $3, roster_bytes = $4, pending_in = $5, "
    "  last_ask = $6, last_answer = $7, roster_floor = coalesce(roster_floor, $8) "
    "WHERE id = $1"};
// Asks are looked up here, not by kLock: while that waits for the lock, the same ask may be done.
constexpr Statement kReadContact = {
    "roster_contact",
    "SELECT " ITEM_COLUMNS("i") ", k.answer FROM (SELECT) one "
    "LEFT JOIN roster_items i ON i.account_id = $1 AND i.jid = $2 "
    "LEFT JOIN roster_asks k ON k.account_id = $1 AND k.ask = " HASHED("$3::text") " AND $3 <> ''"};
constexpr Statement kForgetAsks = {
    "roster_forget_asks",
    "DELETE FROM roster_asks WHERE ctid = ANY (ARRAY("
    "  SELECT ctid FROM roster_asks WHERE made_at < now() - $1 * interval '1 millisecond' LIMIT $2))"};
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
    "WITH forgotten AS (DELETE FROM roster_removed WHERE account_id = $1 AND version <= "
    "  (SELECT version FROM roster_removed WHERE account_id = $1 ORDER BY version DESC OFFSET $2 LIMIT 1) "
    "  RETURNING version) "
    "UPDATE accounts SET roster_floor = greatest(roster_floor, (SELECT max(version) FROM forgotten)) "
    "WHERE id = $1 AND EXISTS (SELECT 1 FROM forgotten)"};
constexpr Statement kUnbury = {"roster_unbury", "DELETE FROM roster_removed WHERE account_id = $1 AND jid = $2"};
// One statement, hence one snapshot: the version is that of the items. When it is known ($3; $4: the items are wanted
// all the same), no item is looked at (OFFSET 0 keeps the planner from making a filter of that).
constexpr Statement kReadRoster = {
    "roster_read",
    "SELECT a.roster_version, a.offline_messages, " CHANGES_KNOWN
    " AS incremental, i.version AS changed, i.removed, i.refused, " ITEM_COLUMNS("i")
    " FROM accounts a JOIN hosts h ON h.id = a.host_id "
    "LEFT JOIN LATERAL ("
    "  SELECT " ITEM_COLUMNS("o") ", o.version, false AS removed, " REFUSED
    " AS refused FROM roster_items o "
    "  WHERE o.account_id = a.id AND ($4 OR a.roster_version <> $3) "
    "    AND ($4 OR NOT " CHANGES_KNOWN
    " OR o.version > $3) "
    "  UNION ALL "
    "  SELECT r.jid, '', '{}', 0::smallint, false, false, false, false, r.version, true, false FROM roster_removed r "
    "  WHERE r.account_id = a.id AND " CHANGES_KNOWN
    " AND r.version > $3 "
    "  OFFSET 0) i ON true "
    "WHERE h.domain = $1 AND a.localpart = $2 ORDER BY i.version"};
// The same without a known version. Its plan is half as large, and what a plan costs is most of what a short roster
// does.
constexpr Statement kReadWholeRoster = {
    "roster_read_whole",
    "SELECT a.roster_version, a.offline_messages, false AS incremental, o.version AS changed, false AS removed, " REFUSED
    " AS refused, " ITEM_COLUMNS("o")
    " FROM accounts a JOIN hosts h ON h.id = a.host_id LEFT JOIN roster_items o ON o.account_id = a.id "
    "WHERE h.domain = $1 AND a.localpart = $2 ORDER BY o.version"};
constexpr Statement kReadPending = {
    "roster_pending",
    "SELECT i.pending_stanza FROM accounts a JOIN hosts h ON h.id = a.host_id "
    "LEFT JOIN roster_items i ON i.account_id = a.id AND i.pending_in AND i.pending_stanza IS NOT NULL "
    "WHERE h.domain = $1 AND a.localpart = $2 ORDER BY i.jid"};
constexpr Statement kReadAccount = {
    "roster_account",
    "SELECT floor(extract(epoch FROM a.created_at) * 1000)::bigint "
    "FROM accounts a JOIN hosts h ON h.id = a.host_id WHERE h.domain = $1 AND a.localpart = $2"};

constexpr Statement kStatements[] = {kLock,        kSave,        kReadContact, kWriteItem,  kDeleteItem,
                                     kKeepRequest, kDropRequest, kBury,        kForget,     kUnbury,
                                     kReadRoster,  kReadPending, kReadAccount, kForgetAsks, kReadWholeRoster};

// Of kReadRoster and kReadWholeRoster.
enum Column { kVersion, kMessages, kIncremental, kChanged, kRemoved, kRefused, kItem };

// ITEM_COLUMNS, from the column `at` on.
template <class Row>
v1::Item ItemOf(const Row& row, int at) {
  v1::Item item;
  item.set_jid(row[at].c_str());
  item.set_name(row[at + 1].c_str());
  for (auto& group : sql::FromTextArray(row[at + 2].c_str())) item.add_groups(std::move(group));
  item.set_subscription(static_cast<v1::Subscription>(row[at + 3].template as<int>()));
  item.set_ask(row[at + 4].template as<bool>());
  item.set_approved(row[at + 5].template as<bool>());
  item.set_pending_in(row[at + 6].template as<bool>());
  item.set_in_roster(row[at + 7].template as<bool>());
  return item;
}

// -1: none of ours.
std::int64_t VersionOf(const std::string& text) {
  std::int64_t version = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::to_string(version) == text ? version : -1;
}

// A row of theirs.
template <class Row>
void Add(v1::Roster& roster, const Row& row, std::int64_t known) {
  const bool removed = row[kRemoved].template as<bool>();
  v1::Item item = ItemOf(row, kItem);
  item.set_refused(row[kRefused].template as<bool>());
  if (roster.incremental() && row[kChanged].template as<std::int64_t>() > known && (removed || item.in_roster())) {
    v1::ItemChange& change = *roster.add_changes();
    *change.mutable_item() = item;
    change.set_version(row[kChanged].c_str());
    change.set_removed(removed);
  }
  if (!removed) *roster.add_items() = std::move(item);
}

template <class Found>
Outcome<std::optional<v1::Roster>> TakeRoster(const Found& found, const v1::GetRoster& ask, bool all,
                                              std::int64_t known, std::size_t max_changes) {
  if (found.empty()) return v1::PROBLEM_NO_ACCOUNT;
  v1::Roster roster;
  roster.set_version(found[0][kVersion].c_str());
  roster.set_nothing_stored(found[0][kMessages].template as<std::int64_t>() == 0);
  roster.set_unchanged(roster.version() == ask.known_version());
  roster.set_incremental(ask.accepts_changes() && found[0][kIncremental].template as<bool>());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i][kItem].is_null()) Add(roster, found[i], known);
  }
  if (static_cast<std::size_t>(roster.changes_size()) > max_changes) {
    if (!all) return std::optional<v1::Roster>();
    roster.set_incremental(false);
    roster.clear_changes();
  }
  if ((roster.unchanged() || roster.incremental()) && !ask.with_items()) roster.clear_items();
  return std::optional(std::move(roster));
}

std::vector<std::string_view> GroupsOf(const v1::Item& item) { return {item.groups().begin(), item.groups().end()}; }

}  // namespace

void PrepareRoster(pqxx::connection& connection) {
  for (const auto& statement : kStatements) connection.prepare(statement.name, statement.sql);
}

std::optional<LockedAccount> Lock(pqxx::transaction_base& tx, std::string_view owner, const std::string& ask) {
  const auto found = tx.exec_prepared(kLock.name, sql::Domain(owner), sql::Local(owner), ask);
  if (found.empty()) return std::nullopt;
  const auto row = found.front();
  LockedAccount account;
  account.id = row["id"].as<std::int64_t>();
  account.version = account.before = row["roster_version"].as<std::int64_t>();
  account.counts.items = row["roster_items"].as<std::uint32_t>();
  account.counts.bytes = row["roster_bytes"].as<std::uint64_t>();
  account.counts.pending_in = row["pending_in"].as<std::uint32_t>();
  if (!row["last_answer"].is_null()) account.last_answer = sql::FromBytes(row["last_answer"]);
  return account;
}

Contact ReadContact(pqxx::transaction_base& tx, const LockedAccount& account, const std::string& jid,
                    const std::string& ask) {
  const auto row = tx.exec_prepared1(kReadContact.name, account.id, jid, ask);
  Contact contact{.first_answer = account.last_answer};
  if (row[0].is_null()) {
    contact.item.set_jid(jid);
  } else {
    contact.item = ItemOf(row, 0);
  }
  if (!row["answer"].is_null()) contact.first_answer = sql::FromBytes(row["answer"]);
  return contact;
}

void Save(pqxx::transaction_base& tx, const LockedAccount& account, const Answered& answered) {
  tx.exec_prepared(kSave.name, account.id, account.version, account.counts.items, account.counts.bytes,
                   account.counts.pending_in, answered.ask,
                   sql::Bytes(answered.ask.empty() ? std::string() : answered.answer), account.before,
                   sql::Bytes(answered.remembered));
}

std::uint32_t ForgetAsks(pqxx::transaction_base& tx, std::int64_t older_than_ms) {
  return tx.exec_prepared(kForgetAsks.name, older_than_ms, kForgetAtOnce).affected_rows();
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

Query<std::optional<v1::Roster>, v1::Problem> ReadRoster(const v1::GetRoster& ask, std::size_t max_changes) {
  const bool all = ask.with_items() || !ask.accepts_changes();
  const std::int64_t known = VersionOf(ask.known_version());
  const auto take = [ask, all, known, max_changes](const auto& found) {
    return TakeRoster(found, ask, all, known, max_changes);
  };
  if (known < 0) return {kReadWholeRoster, {sql::Domain(ask.owner()), sql::Local(ask.owner())}, take};
  return {kReadRoster,
          {sql::Domain(ask.owner()), sql::Local(ask.owner()), std::to_string(known), all ? "true" : "false"},
          take};
}

Query<v1::Pending, v1::Problem> ReadPending(std::string_view owner) {
  const auto take = [](const auto& found) -> Outcome<v1::Pending> {
    if (found.empty()) return v1::PROBLEM_NO_ACCOUNT;
    v1::Pending pending;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < found.size() && !found[i][0].is_null() && bytes < kMaxPendingBytes; ++i) {
      bytes += found[i][0].size() / 2;
      pending.add_stanzas(sql::FromBytes(found[i][0]));
    }
    return pending;
  };
  return {kReadPending, {sql::Domain(owner), sql::Local(owner)}, take};
}

Query<v1::Account, v1::Problem> ReadAccount(std::string_view owner) {
  const auto take = [](const auto& found) -> Outcome<v1::Account> {
    v1::Account account;
    account.set_exists(!found.empty());
    if (!found.empty()) account.set_created_at(found[0][0].template as<std::int64_t>());
    return account;
  };
  return {kReadAccount, {sql::Domain(owner), sql::Local(owner)}, take};
}

}  // namespace parley::roster::rows
