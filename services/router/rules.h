#pragma once

#include "services/router/account_table.h"
#include "services/router/delivery.h"
#include "services/router/edges.h"
#include "services/router/iq_dispatcher.h"
#include "services/router/offline_spool.h"
#include "services/router/orphans.h"
#include "services/router/presence.h"
#include "services/router/sessions.h"
#include "services/router/subscriptions.h"
#include "services/router/unacknowledged.h"

namespace parley::router {

// Whose business a stanza is: by leg, kind and address. All decisions are made by those that are named here.
class Rules final : public StanzaHandler, public Edges::Owner {
 public:
  struct Parts {
    AccountTable& accounts;
    Sender& sender;
    Sessions& sessions;
    Orphans& orphans;
    SessionStore& store;
    Unacknowledged& unacknowledged;
    OfflineSpool& spool;
    Offline& offline;
    Delivery& delivery;
    Presence& presence;
    Subscriptions& subscriptions;
    IqDispatcher& iqs;
    Metrics& metrics;
  };
  explicit Rules(const Parts& parts) : parts_(parts) {}

  bool HandleNow(Account& account, Held& held) override;
  Task<void> Handle(Account& account, Held held) override;
  Task<void> AfterLoad(Account& account) override;
  bool MayGetBack(const Account& account) const override { return parts_.orphans.MayGetBack(account); }
  void Unreachable(Held held) override;
  void OnUndelivered(Held held, Failure failure) override;
  // The home of `to` would not take it.
  void OnUnforwardable(Held held, rpc::RefusalReason reason);

 private:
  // By leg.
  bool ByLegNow(Account& account, Held& held);
  // A message, and what is stored is to go to some session before it. (Not what a session left, which is older.)
  bool IsBehindStored(const Account& account, const Envelope& envelope) const;
  // Once what has to be known, or done, before it is. False: it waits for something else.
  Task<bool> GoesNow(Account& account, Held& held);
  bool OutboundNow(Account& account, Held& held);
  bool InboundNow(Account& account, Held& held);
  bool OutboundIqNow(Account& account, Held& held);
  bool InboundPresenceNow(Account& account, Held& held);
  Task<void> Outbound(Account& account, Held held);
  Task<void> Inbound(Account& account, Held held);
  Task<void> Control(Account& account, Held held);
  // What a session left (IsLeft). False: see Unacknowledged::Owed.
  Task<bool> Owed(Account& account, Held& held);
  Delivery::StillDue StillOwed();
  // True: it was sent again, and a session that has ended since had it; `held` ends here.
  Task<bool> AcknowledgedBefore(Account& account, Held& held);
  // Into the account's turn, before what is new.
  void Return(Held held);
  // Ends the session for which it came back.
  void EndBefore(const Held& returned);
  // Gives a request back to its edge if we do not know (any more, or again yet) the session that waits for the answer.
  bool CanBeAnswered(Account& account, Held& held);

  Parts parts_;
};

}  // namespace parley::router
