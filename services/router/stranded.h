#pragma once

#include <string>
#include <vector>

#include "libs/base/task.h"
#include "services/router/account.h"
#include "services/router/delivery.h"
#include "services/router/edges.h"
#include "services/router/metrics.h"
#include "services/router/queue_memory.h"
#include "services/router/sender.h"
#include "services/router/session_store.h"
#include "services/router/unacknowledged.h"

namespace parley::router {

// Messages for an account that wait for the edge of one of its sessions, which is cut off: nobody knows whether that
// session is there yet. Another one that becomes available gets them, too: if the former turns out to be over, they
// would come behind what is new. All run in the account's turn.
class Stranded {
 public:
  struct Parts {
    Edges& edges;
    Sender& sender;
    SessionStore& store;
    Unacknowledged& unacknowledged;
    Delivery& delivery;
    Metrics& metrics;
  };
  explicit Stranded(const Parts& parts) : parts_(parts) {}

  // The other sessions whose edges have not settled something yet, or are cut off while it waits for them.
  std::vector<Record> WithOthers(const Account& account, const std::string& session) const;
  // What of this was for the account goes to the session, which has all that was stored by now, before anything newer.
  // If it has not, what is new is stored behind that, and this stays where it is.
  Task<void> Share(Account& account, std::string session, std::vector<Record> others);

 private:
  Task<void> ShareOf(Account& account, std::string session, Record other);
  // It is for the account, and nobody is known to have it: neither that session, nor another it was shared with, nor
  // the client of one that has ended since.
  static bool IsOpen(const Account& account, const Record& other, const QueueMemory& had, const Held& held);

  Parts parts_;
};

}  // namespace parley::router
