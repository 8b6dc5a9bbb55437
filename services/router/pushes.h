#pragma once

#include <string>

#include "parley/roster/v1/roster.pb.h"
#include "services/router/account.h"
#include "services/router/sender.h"

namespace parley::router {

// RFC 6121 2.1.6: a change of the roster, to every resource that asked for the roster.
class Pushes {
 public:
  explicit Pushes(Sender& sender) : sender_(sender) {}
  void Send(Account& account, const roster::v1::Item& item, const std::string& version, const Receipt& receipt);
  // The change alone, to a session that has it not yet (2.6.3).
  static Envelope Make(const Account& account, const Session& session, const roster::v1::ItemChange& change);
  void SendRemoval(Account& account, const std::string& jid, const std::string& version, const Receipt& receipt);

 private:
  void ToInterested(Account& account, const std::string& item_xml, const std::string& version, const Receipt& receipt);

  Sender& sender_;
};

// "<item jid=.../>", RFC 6121 2.1.2.
std::string ItemXml(const roster::v1::Item& item);

}  // namespace parley::router
