#pragma once

#include <string>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/delivery.h"
#include "services/router/edges.h"
#include "services/router/metrics.h"
#include "services/router/nodes.h"
#include "services/router/offline.h"
#include "services/router/options.h"
#include "services/router/orphan_queues.h"
#include "services/router/past_queues.h"
#include "services/router/pushes.h"
#include "services/router/session_store.h"
#include "services/router/sessions.h"
#include "services/router/unacknowledged.h"

namespace parley::router {

// Sessions whose edge is no more, or does not know them. One that may be resumed (XEP-0198) stays what it is to
// everybody until its time is over; what is for it goes into its queue. All run in the account's turn.
class Orphans {
 public:
  struct Parts {
    Tasks& tasks;
    AccountTable& accounts;
    SessionStore& store;
    Nodes& nodes;
    Edges& edges;
    Sender& sender;
    Delivery& delivery;
    Sessions& sessions;
    PastQueues& past;
    Unacknowledged& unacknowledged;
    OrphanQueues& queues;
    Offline& offline;
    Pushes& pushes;
    Metrics& metrics;
  };
  Orphans(const Parts& parts, const Options& options);

  // A delivery that came back from its edge, or that there was no edge for, or that may be outdated.
  Task<void> Deliver(Account& account, Held held);
  // The edge of the session's owner with that mark has said that it is over.
  Task<void> EndIfOver(Account& account, std::string session, std::uint64_t mark);
  // The session's edge is dead. False: it may yet be resumed; look again later.
  Task<bool> Lose(Account& account, std::string session, Receipt receipt);
  // The session's edge lives, but has let go of it.
  Task<void> LetGo(Account& account, std::string session, Receipt receipt);
  // After the account was read: what has to end does, and what former owners have not settled goes first.
  Task<void> Check(Account& account);
  // Whether something that was sent to its sessions may yet come back.
  bool MayGetBack(const Account& account) const;
  // Whether what is said of a session of this node, and of this claim, is said of the one with this record.
  static bool IsOf(const Record& record, const link::v1::SessionEnded& ended);

 private:
  bool MayYetTake(const Record& record) const;
  Task<void> TakeBack(Account& account);
  Task<void> Follow(std::string bare, Record before);
  Task<void> DeliverPush(Account& account, Held held);
  Task<void> LaterOrNever(Account& account, Held held);
  // Its edge does not have the session.
  Task<void> Unknown(Account& account, std::string session);
  // Nor does any other. False: it may yet be resumed.
  Task<bool> LoseEdge(Account& account, std::string session, life::State state, life::Event event, Receipt receipt);
  Task<void> Orphan(Account& account, std::string session, life::Event event);
  // False: Redis may not have it.
  Task<bool> IndexNowhere(std::string bare, Record record);
  Task<void> IndexLater(std::string bare, std::string session);
  Task<void> IndexNow(Account& account, std::string session);
  // An orphan's, behind what is stored for it.
  Task<void> QueueInOrder(Account& account, Held held);
  // Its edge may have died before it had taken all that, and so may a router that was to go on with it.
  // False: Redis is away for too long, and nothing may go before that.
  Task<bool> FlushFirst(Account& account, std::string session);
  Task<void> Queue(Account& account, Held held);
  Task<void> EndIfFull(Account& account, std::string session);
  Task<void> QueueIsGone(Account& account, Held held);
  // First of all that waits for the account.
  void HandleNext(const Account& account, Held held);

  Parts parts_;
  Options options_;
  std::string nowhere_epoch_;
};

}  // namespace parley::router
