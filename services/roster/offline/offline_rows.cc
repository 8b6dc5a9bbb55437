#include "services/roster/offline/offline_rows.h"

#include <algorithm>

#include "services/roster/sql.h"

namespace parley::roster::rows {
namespace {

// Whoever asks says how many (router.offline_batch); a page may be shorter, and then another is asked for.
constexpr std::uint32_t kDefaultPage = 100;
constexpr std::uint32_t kMaxPage = 1000;
constexpr std::size_t kMaxPageBytes = 1 << 20;  // well below what one gRPC message takes
// In one transaction; the next one goes on.
constexpr int kForgetAtOnce = 5000;

using storage::Statement;

// The rows are locked as they leave the sort.
constexpr Statement kLock = {
    "offline_lock",
    "SELECT h.domain, a.localpart, a.id, a.offline_messages, a.offline_bytes "
    "FROM unnest($1::text[], $2::text[]) AS k(domain, localpart) "
    "JOIN hosts h ON h.domain = k.domain JOIN accounts a ON a.host_id = h.id AND a.localpart = k.localpart "
    "ORDER BY a.id FOR NO KEY UPDATE OF a"};
constexpr Statement kKnown = {
    "offline_known",
    "WITH asked AS ("
    "  SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY "
    "    AS k(account_id, origin, origin_seq, n) WHERE k.origin <> '') "
    "SELECT k.n - 1 FROM asked k JOIN offline_messages m ON m.account_id = k.account_id AND m.origin = k.origin "
    "  AND m.origin_seq = k.origin_seq AND m.origin <> '' "
    "UNION ALL "
    "SELECT k.n - 1 FROM asked k JOIN offline_taken t ON t.account_id = k.account_id AND t.origin = k.origin "
    "  AND t.origin_seq = k.origin_seq"};
constexpr Statement kInsert = {
    "offline_insert",
    "WITH stored AS ("
    "  INSERT INTO offline_messages (account_id, received_at, origin, origin_seq, stanza) "
    "  SELECT k.account_id, k.received_at, k.origin, k.origin_seq, k.stanza "
    "  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[]) WITH ORDINALITY "
    "    AS k(account_id, received_at, origin, origin_seq, stanza, n) ORDER BY k.n "
    "  ON CONFLICT DO NOTHING RETURNING account_id, octet_length(stanza) AS bytes) "
    "UPDATE accounts a SET offline_messages = a.offline_messages + s.messages, "
    "  offline_bytes = a.offline_bytes + s.bytes "
    "FROM (SELECT account_id, count(*) AS messages, sum(bytes) AS bytes FROM stored GROUP BY account_id) s "
    "WHERE a.id = s.account_id"};
constexpr Statement kRead = {
    "offline_read",
    "SELECT m.id, m.stanza, m.received_at, m.origin, m.origin_seq "
    "FROM accounts a JOIN hosts h ON h.id = a.host_id "
    "LEFT JOIN LATERAL (SELECT * FROM offline_messages o WHERE o.account_id = a.id AND o.id > $3 "
    "  ORDER BY o.id LIMIT $4) m ON true "
    "WHERE h.domain = $1 AND a.localpart = $2 ORDER BY m.id"};
constexpr Statement kDelete = {
    "offline_delete",
    "WITH gone AS ("
    "  DELETE FROM offline_messages WHERE account_id = $1 AND id = ANY ($2::bigint[]) "
    "  RETURNING origin, origin_seq, octet_length(stanza) AS bytes), "
    "taken AS ("
    "  INSERT INTO offline_taken (account_id, origin, origin_seq) "
    "  SELECT $1, origin, origin_seq FROM gone WHERE origin <> '' ON CONFLICT DO NOTHING), "
    "counted AS ("
    "  UPDATE accounts SET offline_messages = offline_messages - (SELECT count(*) FROM gone), "
    "    offline_bytes = offline_bytes - (SELECT coalesce(sum(bytes), 0) FROM gone) "
    "  WHERE id = $1 AND EXISTS (SELECT FROM gone)) "
    "SELECT count(*) FROM gone"};
constexpr Statement kForget = {
    "offline_forget",
    "DELETE FROM offline_taken WHERE ctid = ANY (ARRAY("
    "  SELECT ctid FROM offline_taken WHERE taken_at < now() - $1 * interval '1 millisecond' LIMIT $2))"};

constexpr Statement kStatements[] = {kLock, kKnown, kInsert, kRead, kDelete, kForget};

// Parallel arrays for unnest.
struct Columns {
  explicit Columns(const std::vector<Incoming>& incoming) {
    for (const auto& [account, message] : incoming) {
      accounts.push_back(account);
      received.push_back(message->received_at());
      origins.push_back(message->origin());
      origin_seqs.push_back(static_cast<std::int64_t>(message->origin_seq()));
      stanzas.push_back(message->stanza());
    }
  }
  std::vector<std::int64_t> accounts;
  std::vector<std::int64_t> received;
  std::vector<std::string_view> origins;
  std::vector<std::int64_t> origin_seqs;
  std::vector<std::string_view> stanzas;
};

// A row of kRead.
template <class Row>
v1::OfflineMessage MessageOf(const Row& row) {
  v1::OfflineMessage message;
  message.set_id(row[0].template as<std::int64_t>());
  message.set_stanza(sql::FromBytes(row[1]));
  message.set_received_at(row[2].template as<std::int64_t>());
  message.set_origin(row[3].c_str());
  message.set_origin_seq(static_cast<std::uint64_t>(row[4].template as<std::int64_t>()));
  return message;
}

template <class Found>
v1::OfflineMessages PageOf(const Found& found, std::uint32_t limit) {
  v1::OfflineMessages page;
  std::size_t bytes = 0;
  // The account without messages is one row of nothing.
  for (std::size_t i = 0; i < found.size() && !found[i][0].is_null(); ++i) {
    if (page.messages_size() == static_cast<int>(limit) || bytes >= kMaxPageBytes) {
      page.set_more(true);
      break;
    }
    *page.add_messages() = MessageOf(found[i]);
    bytes += page.messages().rbegin()->stanza().size();
  }
  return page;
}

}  // namespace

void PrepareOffline(pqxx::connection& connection) {
  for (const auto& statement : kStatements) connection.prepare(statement.name, statement.sql);
}

std::map<std::string, Kept, std::less<>> LockOwners(pqxx::transaction_base& tx, const std::set<std::string>& owners) {
  std::vector<std::string_view> domains, localparts;
  for (const auto& owner : owners) {
    domains.push_back(xmpp::DomainOf(owner));
    localparts.push_back(xmpp::LocalOf(owner));
  }
  std::map<std::string, Kept, std::less<>> kept;
  for (const auto& row : tx.exec_prepared(kLock.name, sql::TextArray(domains), sql::TextArray(localparts))) {
    const std::string owner = std::string(row[1].c_str()) + "@" + row[0].c_str();
    kept[owner] = {row[2].as<std::int64_t>(), row[3].as<std::uint32_t>(), row[4].as<std::uint64_t>()};
  }
  return kept;
}

std::set<std::size_t> Known(pqxx::transaction_base& tx, const std::vector<Incoming>& incoming) {
  const Columns columns(incoming);
  std::set<std::size_t> known;
  const auto rows = tx.exec_prepared(kKnown.name, sql::NumberArray(columns.accounts), sql::TextArray(columns.origins),
                                     sql::NumberArray(columns.origin_seqs));
  for (const auto& row : rows) known.insert(row[0].as<std::size_t>());
  return known;
}

void Insert(pqxx::transaction_base& tx, const std::vector<Incoming>& incoming) {
  const Columns columns(incoming);
  tx.exec_prepared(kInsert.name, sql::NumberArray(columns.accounts), sql::NumberArray(columns.received),
                   sql::TextArray(columns.origins), sql::NumberArray(columns.origin_seqs),
                   sql::BytesArray(columns.stanzas));
}

Query<v1::OfflineMessages, v1::Problem> ReadMessages(const v1::FetchOffline& ask) {
  const std::uint32_t limit = std::min(ask.limit() == 0 ? kDefaultPage : ask.limit(), kMaxPage);
  const auto take = [limit](const auto& found) -> Result<v1::OfflineMessages, v1::Problem> {
    if (found.empty()) return v1::PROBLEM_NO_ACCOUNT;
    return PageOf(found, limit);
  };
  return {
      kRead,
      {sql::Domain(ask.owner()), sql::Local(ask.owner()), std::to_string(ask.after_id()), std::to_string(limit + 1)},
      take};
}

std::uint32_t DeleteMessages(pqxx::transaction_base& tx, std::int64_t account, const std::vector<std::int64_t>& ids) {
  return tx.exec_prepared1(kDelete.name, account, sql::NumberArray(ids))[0].as<std::uint32_t>();
}

std::uint32_t ForgetTaken(pqxx::transaction_base& tx, std::int64_t older_than_ms) {
  return tx.exec_prepared(kForget.name, older_than_ms, kForgetAtOnce).affected_rows();
}

}  // namespace parley::roster::rows
