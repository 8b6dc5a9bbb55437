#pragma once

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

#include "parley/transfer/v1/transfer.pb.h"

// The SQL of exports and imports. On the pool's threads.
namespace parley::roster::rows {

void PrepareTransfer(pqxx::connection& connection);

// All but the messages; nullopt: no such account.
std::optional<transfer::v1::User> ReadUser(pqxx::transaction_base& tx, std::string_view jid);

// A contact or a message on its way into a new account.
struct NewContact {
  std::int64_t account = 0;
  const transfer::v1::Contact* contact = nullptr;
};
struct NewMessage {
  std::int64_t account = 0;
  const transfer::v1::Message* message = nullptr;
};
// Of accounts that were made in this transaction; counts them, too.
void InsertContacts(pqxx::transaction_base& tx, const std::vector<NewContact>& contacts);
void InsertMessages(pqxx::transaction_base& tx, const std::vector<NewMessage>& messages);

}  // namespace parley::roster::rows
