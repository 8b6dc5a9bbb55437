#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/offline_spool.h"
#include "services/router/options.h"
#include "services/router/orphan_queues.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"

namespace parley::router {

// Messages for users that are away (XEP-0160). The roster service keeps them; here is when they are stored and when
// they are delivered.
class Offline {
 public:
  struct Parts {
    Tasks& tasks;
    AccountTable& accounts;
    Sender& sender;
    RosterClient& rosters;
    OfflineSpool& spool;
    OrphanQueues& queues;
    SessionStore& store;
  };
  Offline(const Parts& parts, const Options& options);

  // True: taken (and moved from). Its receipt goes when it is stored or its sender was told why it was not; at once if
  // it is of the kind that may be forgotten. The account's turn need not wait for that. False: see
  // OfflineSpool::Room.
  bool StoreNow(Account& account, Held& held);
  // To one session that has just become able to take them; all of them, in order: to its edge or, if that is gone, into
  // its queue. They are deleted when they are accepted there. What is on its way to the store is waited for. What
  // became of it: Session::stored. If the roster service is away, what is left comes when it is back; if its edge does
  // not take all now, a moment later.
  enum class Attempt {
    kFirst,   // not needed if the roster service has just said that nothing is stored
    kRepeat,  // a fault may have cut a first one short
  };
  Task<void> Flush(Account& account, std::string session, Attempt attempt);
  // The same for one that may have had some of it, if it takes messages.
  Task<void> Resume(Account& account, std::string session);
  // Its edge, which lives, did not take all, and will be asked again: the place of what is new is behind that, in the
  // store. Not so of an orphan, which gets both at once (Orphans), nor while the store cannot be read.
  bool Owes(const Account& account, const Session& session) const;
  // A session that was to get the rest later is over, or takes no messages any more. What is stored, also behind what
  // it lacked, goes to the most available of the others, before anything newer.
  bool MustPassOn(const Account& account) const;
  Task<void> PassOn(Account& account);
  // The account was read: to those of its sessions that may lack it, what is stored goes before anything newer. That
  // are those that another router has just bound, and may have died before it gave it to them; those that we were to
  // give the rest later; and all, if we have stored something while we did not reach Redis, for one of whom we did not
  // know.
  Task<void> AfterLoad(Account& account);
  // Redis is back: the accounts for which something was stored without it are read, one after the other.
  void OnRedisUp();

 private:
  using Ids = std::vector<std::int64_t>;
  using Batch = roster::v1::OfflineMessages;
  struct Given {
    Ids accepted;
    bool others_later = false;  // its edge may take them then
  };
  // Of what is stored, batch by batch.
  struct Reading {
    std::string session;
    bool patient = true;  // if the store is away for a moment only
    std::int64_t after = 0;
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  };
  struct Pending;
  // False: some may be left, and it is worth while to try again.
  Task<bool> TryToFlush(Account& account, std::string session, Attempt attempt);
  void Later(const std::string& bare, std::string session);
  Task<void> ResumeLater(std::string bare, std::string session);
  bool GetsMoreLater(const std::string& bare, const std::string& session) const;
  Task<void> TryAgain(Account& account, std::string session);
  // Once its edge is linked.
  Task<void> GoOn(Account& account, std::string session);
  static void Note(Account& account, const std::string& session, Session::Stored stored);
  bool MayBeOwed(const Account& account, const Session& session) const;
  Task<roster::v1::Answer> Fetch(Account& account, Reading& reading);
  Task<Given> Give(Account& account, const Session& session, const Batch& batch);
  Task<Given> DeliverBatch(Account& account, const Session& session, const Batch& batch);
  // A full queue takes it, too (there is no more than roster.max_offline_messages): the session ends with what is new,
  // and all of it stays in order.
  Task<Given> QueueBatch(Account& account, std::string session, const Batch& batch);
  bool IsUndeleted(const std::string& owner, std::int64_t id) const;
  Task<void> Delete(std::string owner, Ids ids);
  Task<bool> TryDelete(std::string owner, Ids ids);
  Task<void> DeleteUntilDone(std::string owner);
  Task<void> ReadBlind();
  Task<void> ReadOne(Account& account, std::function<void(bool)> done);

  Parts parts_;
  std::uint32_t batch_;
  std::chrono::milliseconds recheck_;
  std::map<std::string, std::set<std::string>> to_resume_;  // by account: sessions that get the rest later
  std::set<std::string> blind_;                             // accounts for which something was stored without Redis
  bool reading_blind_ = false;
  // Delivered, but the roster service was away when they were to be deleted: not to be delivered again.
  std::map<std::string, std::set<std::int64_t>> undeleted_;
};

}  // namespace parley::router
