#pragma once

#include <string>
#include <string_view>

#include "libs/base/task.h"
#include "services/router/fanout.h"
#include "services/router/pushes.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"
#include "services/router/session_store.h"

namespace parley::router {

// subscribe, subscribed, unsubscribe, unsubscribed (RFC 6121 section 3). The states are the roster service's; here is
// what goes to whom.
class Subscriptions {
 public:
  struct Parts {
    Sender& sender;
    RosterClient& rosters;
    SessionStore& store;
    Fanout& fanout;
    Pushes& pushes;
  };
  explicit Subscriptions(const Parts& parts) : parts_(parts) {}

  // From one of the account's clients: 3.1.2, 3.1.5, 3.2.2, 3.3.2.
  Task<void> Outbound(Account& account, Held held);
  // For the account: 3.1.3, 3.1.6, 3.2.3, 3.3.3.
  Task<void> Inbound(Account& account, Held held);
  // As if a client of the account had sent it (removal of a contact, of the account). Its state is settled already.
  // `cause`: of what it comes, so that the contact's roster knows it if it comes again.
  struct Verb {
    link::v1::Type type;
    Origin cause;
  };
  void SendFor(Account& account, const Verb& verb, std::string_view contact, const Receipt& receipt);

 private:
  void Remember(Account& account, const roster::v1::SubscriptionChange& change, const Receipt& receipt);
  // The contact may see the user's presence now.
  void ShowPresence(Account& account, const std::string& contact, const roster::v1::SubscriptionChange& change,
                    const Origin& origin, const Receipt& receipt);
  // It may not any more.
  void HidePresence(Account& account, const std::string& contact, const roster::v1::SubscriptionChange& change,
                    const Origin& origin, const Receipt& receipt);
  void DeliverInbound(Account& account, const Held& held);

  Parts parts_;
};

bool IsSubscription(link::v1::Type type);

}  // namespace parley::router
