#pragma once

#include <string>

#include "libs/base/task.h"
#include "parley/roster/v1/roster.pb.h"
#include "services/router/account.h"
#include "services/router/account_table.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"

namespace parley::router {

// RFC 6121 2.1.6: a change of the roster, to every resource that asked for the roster.
class Pushes {
 public:
  Pushes(Sender& sender, RosterClient& rosters, AccountTable& accounts)
      : sender_(sender), rosters_(rosters), accounts_(accounts) {}
  void Send(Account& account, const roster::v1::Item& item, const std::string& version, const Receipt& receipt);
  // The change alone, to a session that has it not yet (2.6.3).
  static Envelope Make(const Account& account, const Session& session, const roster::v1::ItemChange& change);
  void SendRemoval(Account& account, const std::string& jid, const std::string& version, const Receipt& receipt);
  // One that comes late: another router may have pushed something newer. If its item has changed since, it shows that
  // as it is now. Its version stays, as the session may yet lack what came after that. Without the roster service it is
  // left as it is.
  Task<void> Renew(Envelope& push);

 private:
  void ToSession(const Account& account, const Session& session, Envelope push, const Receipt& receipt);
  void ToInterested(Account& account, const std::string& item_xml, const std::string& version, const Receipt& receipt);

  Sender& sender_;
  RosterClient& rosters_;
  AccountTable& accounts_;
};

// What the server asks clients by itself.
bool IsPush(const link::v1::Envelope& envelope);

// "<item jid=.../>", RFC 6121 2.1.2.
std::string ItemXml(const roster::v1::Item& item);

}  // namespace parley::router
