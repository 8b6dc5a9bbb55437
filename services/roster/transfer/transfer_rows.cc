#include "services/roster/transfer/transfer_rows.h"

#include <algorithm>
#include <map>

#include "services/roster/accounts/account_rows.h"
#include "services/roster/contacts/roster_rows.h"
#include "services/roster/contacts/roster_rules.h"
#include "services/roster/offline/offline_rows.h"
#include "services/roster/sql.h"

namespace parley::roster::rows {
namespace {

struct Statement {
  const char* name;
  const char* sql;
};

constexpr Statement kReadRequests = {
    "transfer_requests",
    "SELECT i.jid, i.pending_stanza FROM accounts a JOIN hosts h ON h.id = a.host_id "
    "JOIN roster_items i ON i.account_id = a.id AND i.pending_in AND i.pending_stanza IS NOT NULL "
    "WHERE h.domain = $1 AND a.localpart = $2"};
// Groups come as one array literal for each contact: unnest would take an array of arrays apart.
constexpr Statement kInsertContacts = {
    "transfer_contacts",
    "INSERT INTO roster_items (account_id, jid, name, groups, subscription, ask, approved, pending_in, in_roster, "
    "  pending_stanza, version) "
    "SELECT k.account_id, k.jid, k.name, k.groups::text[], k.subscription, k.ask <> 0, k.approved <> 0, "
    "  k.pending_in <> 0, k.in_roster <> 0, nullif(k.request, ''::bytea), a.roster_version "
    "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::integer[], $7::integer[], "
    "  $8::integer[], $9::integer[], $10::bytea[]) "
    "  AS k(account_id, jid, name, groups, subscription, ask, approved, pending_in, in_roster, request) "
    "JOIN accounts a ON a.id = k.account_id"};
constexpr Statement kCountContacts = {
    "transfer_count",
    "UPDATE accounts a SET roster_items = k.items, roster_bytes = k.bytes, pending_in = k.pending "
    "FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::integer[]) AS k(account_id, items, bytes, pending) "
    "WHERE a.id = k.account_id"};

constexpr Statement kStatements[] = {kReadRequests, kInsertContacts, kCountContacts};

void CountContacts(pqxx::transaction_base& tx, const std::map<std::int64_t, RosterCounts>& counts) {
  std::vector<std::int64_t> accounts, bytes;
  std::vector<std::uint32_t> items, pending;
  for (const auto& [account, count] : counts) {
    accounts.push_back(account);
    items.push_back(count.items);
    bytes.push_back(static_cast<std::int64_t>(count.bytes));
    pending.push_back(count.pending_in);
  }
  tx.exec_prepared(kCountContacts.name, sql::NumberArray(accounts), sql::NumberArray(items), sql::NumberArray(bytes),
                   sql::NumberArray(pending));
}

void SetKeys(transfer::v1::User& user, const ScramKeys& all) {
  for (const auto& keys : all) {
    auto& out = *user.add_keys();
    out.set_hash(std::string(xmpp::scram::HashName(keys.hash)));
    out.set_salt(keys.salt);
    out.set_iterations(keys.iterations);
    out.set_stored_key(keys.stored_key);
    out.set_server_key(keys.server_key);
  }
}

}  // namespace

void PrepareTransfer(pqxx::connection& connection) {
  for (const auto& statement : kStatements) connection.prepare(statement.name, statement.sql);
}

std::optional<transfer::v1::User> ReadUser(pqxx::transaction_base& tx, std::string_view jid) {
  v1::GetRoster whole;
  whole.set_owner(std::string(jid));
  auto found = ReadRoster(whole, 0).In(tx);
  if (!found) return std::nullopt;
  v1::Roster& roster = found->value();
  transfer::v1::User user;
  user.set_jid(std::string(jid));
  user.set_created_at(ReadAccount(jid).In(tx)->created_at());
  if (const auto keys = ReadKeys(jid).In(tx)) SetKeys(user, *keys);
  std::map<std::string, std::string> requests;
  for (const auto& row : tx.exec_prepared(kReadRequests.name, sql::Domain(jid), sql::Local(jid))) {
    requests[row[0].c_str()] = sql::FromBytes(row[1]);
  }
  auto& items = *roster.mutable_items();
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.jid() < b.jid(); });
  for (auto& item : items) {
    auto& contact = *user.add_contacts();
    contact.set_request(requests[item.jid()]);
    item.clear_refused();  // that is of the contact's account, not of this one
    *contact.mutable_item() = std::move(item);
  }
  return user;
}

void InsertContacts(pqxx::transaction_base& tx, const std::vector<NewContact>& contacts) {
  std::vector<std::int64_t> accounts;
  std::vector<std::string_view> jids, names, requests;
  std::vector<std::string> groups;
  std::vector<int> subscriptions, asks, approved, pending, in_roster;
  std::map<std::int64_t, RosterCounts> counts;
  for (const auto& [account, contact] : contacts) {
    const auto& item = contact->item();
    accounts.push_back(account);
    jids.push_back(item.jid());
    names.push_back(item.name());
    groups.push_back(sql::TextArray(std::vector<std::string>(item.groups().begin(), item.groups().end())));
    subscriptions.push_back(static_cast<int>(item.subscription()));
    asks.push_back(item.ask() ? 1 : 0);
    approved.push_back(item.approved() ? 1 : 0);
    pending.push_back(item.pending_in() ? 1 : 0);
    in_roster.push_back(item.in_roster() ? 1 : 0);
    requests.push_back(contact->request());
    auto& count = counts[account];
    count.items += item.in_roster() ? 1 : 0;
    count.bytes += SizeOf(item);
    count.pending_in += item.pending_in() ? 1 : 0;
  }
  tx.exec_prepared(kInsertContacts.name, sql::NumberArray(accounts), sql::TextArray(jids), sql::TextArray(names),
                   sql::TextArray(groups), sql::NumberArray(subscriptions), sql::NumberArray(asks),
                   sql::NumberArray(approved), sql::NumberArray(pending), sql::NumberArray(in_roster),
                   sql::BytesArray(requests));
  CountContacts(tx, counts);
}

void InsertMessages(pqxx::transaction_base& tx, const std::vector<NewMessage>& messages) {
  std::vector<v1::StoreOffline> stores(messages.size());
  std::vector<Incoming> incoming;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    stores[i].set_stanza(messages[i].message->stanza());
    stores[i].set_received_at(messages[i].message->received_at());
    incoming.push_back({messages[i].account, &stores[i]});
  }
  Insert(tx, incoming);
}

}  // namespace parley::roster::rows
