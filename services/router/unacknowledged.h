#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/left_lately.h"
#include "services/router/metrics.h"
#include "services/router/options.h"
#include "services/router/past_queues.h"
#include "services/router/session_store.h"
#include "services/router/still_owed.h"
#include "services/router/unanswered.h"

namespace parley::router {

// What ended sessions with stream management (XEP-0198) left in their queues: their clients did not acknowledge it. It
// is handled again, as for a session that is gone.
class Unacknowledged {
 public:
  struct Parts {
    Loop& loop;
    Tasks& tasks;
    AccountTable& accounts;
    SessionStore& store;
    PastQueues& past;
    Unanswered& unanswered;
    Metrics& metrics;
  };
  Unacknowledged(const Parts& parts, const Options& options)
      : parts_(parts),
        options_(options),
        left_(options.sm_remember_queue, options.remember_left),
        still_owed_(parts.loop, options.standstill) {}

  // A session that ends: its record, how it stands in Redis, and whether its client closed it (then nobody resumes it).
  struct Ended {
    Record record;
    SessionStore::Expected as;
    std::string reason;
    std::string header;  // of its queue, if its edge could not write that (link.v1.SessionEnded)
  };
  enum class Whose { kOurs, kAnothers };  // another router has taken care of all
  // In the account's turn: before everything else that waits for it. Without Redis later, behind what comes meanwhile.
  // `told` goes when all is taken care of. The record is retired already, or is if Redis was away when it should have
  // been.
  Task<Whose> HandleAgain(Account& account, Ended ended, Receipt told);
  // A delivery that came back for a session that is over, while what that left waits for Redis: handled behind it, as
  // it may be in there, too. True: taken (and moved from).
  bool TakeReturned(Held& returned);
  // Before something that a session left is handled. False: `held` is gone, as another router has taken care of it
  // (while this one stood still or was cut off; it has been stored, delivered and forgotten then), or Redis is away: it
  // comes again when that is back.
  Task<bool> Owed(const Account& account, Held& held);
  // Whether it need not be asked: another thing that the session left is Owed, as we learnt in this turn.
  bool SurelyOwed(const Envelope& left) const;
  // What its sender sends again may be what a session left that ended meanwhile: then it is Owed or not as that is.
  void Recognise(Envelope& repeat);
  // Whether the client of a session that has ended since had this message or request, which is sent again, and what
  // came of that is known or on its way. False: not as far as is known. It would be lost if that were wrong, so only
  // exact numbers count.
  Task<bool> AcknowledgedBefore(Account& account, const Envelope& repeat);
  // Whether it is a copy for a session that is over, and the client of another one that has ended since had its own.
  Task<bool> AnotherHad(Account& account, const Envelope& returned);
  // Account::acknowledged() is there: what Redis knows of it, once for an account that was read. False: Redis cannot be
  // asked.
  Task<bool> KnowAcknowledged(Account& account);

 private:
  using Clock = std::chrono::steady_clock;

  Task<Result<Whose>> TryAgain(Account& account, Ended& ended, Receipt told);
  Task<Result<Whose>> Load(Account& account, const Ended& ended, Receipt told);
  Task<Result<Whose>> Ask(const Account& account, std::string session);
  void Keep(std::vector<Held>& deferred, Held held);
  std::vector<Held> TakeKept(std::map<std::string, std::vector<Held>>& deferred, const std::string& session);
  Task<void> Defer(std::string bare, std::string session);
  Task<void> Later(std::string bare, Ended ended, Receipt told);
  Task<void> HandleLate(Account& account, Ended ended, Receipt told);
  void Post(const Account& account, const Ended& ended, session::QueueContents contents, const Receipt& told);
  // What its client was asked, and has acknowledged.
  void Answer(const std::string& bare, const Record& ended, const session::v1::QueueHeader& header,
              const Receipt& told);
  void RememberAcknowledged(const Account& account, const std::string& session, const session::QueueContents& contents);

  Parts parts_;
  Options options_;
  LeftLately left_;
  StillOwed still_owed_;
  std::map<std::string, std::vector<Held>> deferred_;  // by the session that left it; until Redis is back
  // By the session whose queue is to be read when Redis is back: what came back meanwhile.
  std::map<std::string, std::vector<Held>> returned_;
  std::size_t deferring_ = 0;  // in all
};

}  // namespace parley::router
