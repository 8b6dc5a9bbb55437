#include "services/roster/accounts/account_rows.h"

#include <map>

#include "services/roster/sql.h"

namespace parley::roster::rows {
namespace {

using storage::Statement;

constexpr Statement kReadKeys = {
    "account_keys",
    "SELECT k.hash, k.salt, k.iterations, k.stored_key, k.server_key "
    "FROM accounts a JOIN hosts h ON h.id = a.host_id JOIN scram_keys k ON k.account_id = a.id "
    "WHERE h.domain = $1 AND a.localpart = $2 ORDER BY k.hash"};
// In one order, so that two imports of the same accounts cannot deadlock.
constexpr Statement kInsert = {
    "account_insert",
    "WITH made AS ("
    "  INSERT INTO accounts (host_id, localpart) "
    "  SELECT h.id, k.localpart FROM unnest($1::text[], $2::text[]) AS k(domain, localpart) "
    "  JOIN hosts h ON h.domain = k.domain ORDER BY h.id, k.localpart "
    "  ON CONFLICT (host_id, localpart) DO NOTHING RETURNING id, host_id, localpart) "
    "SELECT made.id, made.localpart, h.domain FROM made JOIN hosts h ON h.id = made.host_id"};
constexpr Statement kInsertKeys = {
    "account_insert_keys",
    "INSERT INTO scram_keys (account_id, hash, salt, iterations, stored_key, server_key) "
    "SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::integer[], $5::bytea[], $6::bytea[])"};
constexpr Statement kDeleteKeys = {"account_delete_keys", "DELETE FROM scram_keys WHERE account_id = $1"};
constexpr Statement kLock = {
    "account_lock",
    "SELECT a.id FROM accounts a JOIN hosts h ON h.id = a.host_id WHERE h.domain = $1 AND a.localpart = $2 "
    "FOR UPDATE OF a"};
// What has no foreign key goes by hand, what has one goes along.
constexpr Statement kDeleteMessages = {"account_delete_offline", "DELETE FROM offline_messages WHERE account_id = $1"};
constexpr Statement kDeleteTaken = {"account_delete_taken", "DELETE FROM offline_taken WHERE account_id = $1"};
constexpr Statement kDeleteAsks = {"account_delete_asks", "DELETE FROM roster_asks WHERE account_id = $1"};
constexpr Statement kDelete = {"account_delete", "DELETE FROM accounts WHERE id = $1"};
constexpr Statement kExists = {
    "account_exists",
    "SELECT k.n - 1 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(domain, localpart, n) "
    "JOIN hosts h ON h.domain = k.domain JOIN accounts a ON a.host_id = h.id AND a.localpart = k.localpart"};
// A page of each host, by its index; the outer limit cuts. $1: domain or empty, $2 and $3: the last of the page before.
constexpr Statement kList = {
    "account_list",
    "SELECT a.localpart, h.domain, floor(extract(epoch FROM a.created_at) * 1000)::bigint "
    "FROM hosts h CROSS JOIN LATERAL ("
    "  SELECT * FROM accounts o WHERE o.host_id = h.id "
    "  AND o.localpart > CASE WHEN h.domain = $2 THEN $3 ELSE '' END ORDER BY o.localpart LIMIT $4) a "
    "WHERE h.domain >= $2 AND ($1 = '' OR h.domain = $1) ORDER BY h.domain, a.localpart LIMIT $4"};

constexpr Statement kCount = {
    "account_count", "SELECT count(*) FROM accounts a JOIN hosts h ON h.id = a.host_id WHERE $1 = '' OR h.domain = $1"};

// The same accounts of each host for every instance, by an index; names say nothing about the age of passwords.
constexpr Statement kSurvey = {
    "account_survey",
    "SELECT h.domain, k.iterations, count(*) FROM hosts h CROSS JOIN LATERAL ("
    "  SELECT o.id FROM accounts o WHERE o.host_id = h.id ORDER BY o.localpart LIMIT $1) a "
    "JOIN scram_keys k ON k.account_id = a.id AND k.hash = 'SHA-256' GROUP BY h.domain, k.iterations"};

constexpr Statement kStatements[] = {kReadKeys,       kInsert,      kInsertKeys, kDeleteKeys, kLock, kSurvey, kExists,
                                     kDeleteMessages, kDeleteTaken, kDeleteAsks, kDelete,     kList, kCount};

// A row of kReadKeys.
template <class Row>
xmpp::scram::Keys KeysOf(const Row& row) {
  using xmpp::scram::Hash;
  xmpp::scram::Keys keys;
  keys.hash = xmpp::scram::HashName(Hash::kSha1) == row[0].c_str() ? Hash::kSha1 : Hash::kSha256;
  keys.salt = sql::FromBytes(row[1]);
  keys.iterations = row[2].template as<std::uint32_t>();
  keys.stored_key = sql::FromBytes(row[3]);
  keys.server_key = sql::FromBytes(row[4]);
  return keys;
}

// JIDs as two parallel arrays.
class Parts {
 public:
  explicit Parts(const std::vector<std::string_view>& jids) {
    for (const auto jid : jids) {
      domains_.push_back(xmpp::DomainOf(jid));
      localparts_.push_back(xmpp::LocalOf(jid));
    }
  }
  std::string domains() const { return sql::TextArray(domains_); }
  std::string localparts() const { return sql::TextArray(localparts_); }

 private:
  std::vector<std::string_view> domains_;
  std::vector<std::string_view> localparts_;
};

}  // namespace

void PrepareAccounts(pqxx::connection& connection) {
  for (const auto& statement : kStatements) connection.prepare(statement.name, statement.sql);
}

Query<ScramKeys, AccountProblem> ReadKeys(std::string_view jid) {
  const auto take = [](const auto& found) -> Result<ScramKeys, AccountProblem> {
    if (found.empty()) return accounts::v1::PROBLEM_NO_ACCOUNT;
    ScramKeys keys;
    for (std::size_t i = 0; i < found.size(); ++i) keys.push_back(KeysOf(found[i]));
    return keys;
  };
  return {kReadKeys, {sql::Domain(jid), sql::Local(jid)}, take};
}

std::vector<std::int64_t> InsertAccounts(pqxx::transaction_base& tx, const std::vector<std::string_view>& jids) {
  const Parts parts(jids);
  std::map<std::string, std::int64_t, std::less<>> made;
  for (const auto& row : tx.exec_prepared(kInsert.name, parts.domains(), parts.localparts())) {
    made[std::string(row[1].c_str()) + "@" + row[2].c_str()] = row[0].as<std::int64_t>();
  }
  std::vector<std::int64_t> ids;
  for (const auto jid : jids) {
    const auto found = made.find(jid);
    ids.push_back(found == made.end() ? 0 : found->second);
  }
  return ids;
}

void InsertKeys(pqxx::transaction_base& tx, const std::vector<OwnedKeys>& owned) {
  std::vector<std::int64_t> accounts;
  std::vector<std::string_view> hashes, salts, stored_keys, server_keys;
  std::vector<std::uint32_t> iterations;
  for (const auto& [account, keys] : owned) {
    for (const auto& key : *keys) {
      accounts.push_back(account);
      hashes.push_back(xmpp::scram::HashName(key.hash));
      salts.push_back(key.salt);
      iterations.push_back(key.iterations);
      stored_keys.push_back(key.stored_key);
      server_keys.push_back(key.server_key);
    }
  }
  tx.exec_prepared(kInsertKeys.name, sql::NumberArray(accounts), sql::TextArray(hashes), sql::BytesArray(salts),
                   sql::NumberArray(iterations), sql::BytesArray(stored_keys), sql::BytesArray(server_keys));
}

void DeleteKeys(pqxx::transaction_base& tx, std::int64_t account) { tx.exec_prepared(kDeleteKeys.name, account); }

std::optional<std::int64_t> LockAccount(pqxx::transaction_base& tx, std::string_view jid) {
  const auto found = tx.exec_prepared(kLock.name, sql::Domain(jid), sql::Local(jid));
  if (found.empty()) return std::nullopt;
  return found.front()[0].as<std::int64_t>();
}

void DeleteAccount(pqxx::transaction_base& tx, std::int64_t account) {
  tx.exec_prepared(kDeleteMessages.name, account);
  tx.exec_prepared(kDeleteTaken.name, account);
  tx.exec_prepared(kDeleteAsks.name, account);
  tx.exec_prepared(kDelete.name, account);
}

std::vector<bool> AccountsExist(pqxx::transaction_base& tx, const std::vector<std::string>& jids) {
  const Parts parts({jids.begin(), jids.end()});
  std::vector<bool> exist(jids.size(), false);
  for (const auto& row : tx.exec_prepared(kExists.name, parts.domains(), parts.localparts())) {
    exist[row[0].as<std::size_t>()] = true;
  }
  return exist;
}

AccountPage ListAccounts(pqxx::transaction_base& tx, const std::string& domain, const std::string& after,
                         std::uint32_t limit) {
  AccountPage page;
  const auto found = tx.exec_prepared(kList.name, domain, sql::Domain(after), sql::Local(after), limit + 1);
  for (const auto& row : found) {
    page.more = page.rows.size() == limit;
    if (page.more) break;
    accounts::v1::AccountRow account;
    account.set_jid(std::string(row[0].c_str()) + "@" + row[1].c_str());
    account.set_created_at(row[2].as<std::int64_t>());
    page.rows.push_back(std::move(account));
  }
  return page;
}

std::uint64_t CountAccounts(pqxx::transaction_base& tx, const std::string& domain) {
  return tx.exec_prepared1(kCount.name, domain)[0].as<std::uint64_t>();
}

IterationSurvey SurveyIterations(pqxx::transaction_base& tx, std::uint32_t accounts) {
  IterationSurvey survey;
  for (const auto& row : tx.exec_prepared(kSurvey.name, accounts)) {
    survey[row[0].c_str()][row[1].as<std::uint32_t>()] = row[2].as<std::uint64_t>();
  }
  return survey;
}

}  // namespace parley::roster::rows
