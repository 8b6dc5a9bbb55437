#pragma once

#include <functional>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/delivery_rules.h"
#include "services/router/offline.h"
#include "services/router/options.h"
#include "services/router/sender.h"

namespace parley::router {

// Stanzas for a user of ours (RFC 6121 section 8.5): to which of its sessions they go.
class Delivery {
 public:
  Delivery(Sender& sender, Offline& offline, OfflineSpool& spool, const Options& options);

  // False: it is to be stored, and others are on their way to the store: see StoreMessage.
  bool MessageNow(Account& account, Held& held);
  // `still_due`, which may be null, is asked after each wait. False: it has taken care of the message.
  using StillDue = std::function<Task<bool>(Account&, Held&)>;
  Task<void> StoreMessage(Account& account, Held held, StillDue still_due = nullptr);
  // Presence without subscription meaning: RFC 6121 8.5.2.1.2, 8.5.3.1.
  void Presence(Account& account, Held held);
  // To a full JID. (What is for the bare JID is answered, see IqDispatcher.)
  void Iq(Account& account, Held held);
  // An edge gave back what was for a session that `account` has no more (or never could take it).
  Task<void> Again(Account& account, Held held);
  // Another session is to have the message `waiting`, too, which waits for its own: a copy for that.
  Held Share(Held& waiting);
  // Such a one, and that other session has it: it is that session's, and owed to nobody else.
  static bool WasShared(const Held& held);
  // Such a one is to go into a queue: what that session leaves of it the other had, as when both had been there.
  static void NoteShared(Held& held);
  // It cannot be delivered, now or here.
  void GiveUp(Held held, const xmpp::StanzaError& error);

 private:
  void MostAvailable(Account& account, Held held);
  // A message for the most available would go to one session alone, which is owed older ones. (What is stored one gets,
  // where each would have to.)
  bool BehindStored(const Account& account) const;
  template <class Wanted>
  void NoteDiverted(Account& account, const Envelope& envelope, Wanted wanted);
  // True: it was sent again, and went to others when it came first.
  bool DivertedBefore(Account& account, Held& held);
  template <class Wanted>
  void ToEach(Account& account, Held held, Wanted wanted);
  void There(Session& session, Held held);

  Sender& sender_;
  Offline& offline_;
  OfflineSpool& spool_;
  const std::size_t remember_diverted_;
};

}  // namespace parley::router
