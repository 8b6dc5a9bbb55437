#pragma once

#include <string>
#include <string_view>

#include "services/router/account.h"
#include "services/router/origin.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"

namespace parley::router {

// Presence from a user's sessions to those who may see it (RFC 6121 4.2.2, 4.4.2, 4.5.2, 4.6.3). Only sends.
class Fanout {
 public:
  explicit Fanout(Sender& sender);

  // A session's presence to the subscribed contacts. `initial`: with it goes the question for theirs (4.2.2, 4.3).
  void ToContacts(const Account& account, const Session& session, const Contacts& contacts, bool initial,
                  const Origin& origin, const Receipt& receipt);
  // To all of the user's own available resources, itself included.
  void ToOwn(Account& account, std::string_view stanza, link::v1::Type type, const Origin& origin,
             const Receipt& receipt);
  // The own other resources' presence to a session that has just become available.
  void OwnTo(Account& account, const Session& session, const Origin& cause, const Receipt& receipt);
  // Unavailable to contacts, and to those that had directed presence.
  void Gone(const Account& account, const Record& gone, const Contacts& contacts, std::string_view stanza,
            const Origin& origin, const Receipt& receipt);

  // Presence of all available resources, or their unavailable, to one entity. `cause`: of what made us send it.
  void AllTo(Account& account, std::string_view to, const Origin& cause, const Receipt& receipt);
  void AllGoneTo(Account& account, std::string_view to, const Origin& cause, const Receipt& receipt);

 private:
  class Broadcast;
  void Send(const Broadcast& broadcast, std::string_view to, bool probe, const Receipt& receipt);

  Sender& sender_;
};

}  // namespace parley::router
