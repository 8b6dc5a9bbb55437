#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libs/base/task.h"
#include "libs/rpc/link.h"
#include "services/router/account.h"
#include "services/router/mailbox.h"
#include "services/router/metrics.h"
#include "services/router/options.h"
#include "services/router/session_store.h"
#include "services/router/unsaved.h"

namespace parley::router {

// What is done with stanzas once it is their turn.
class StanzaHandler {
 public:
  // The quick way: true if `held` is taken care of (and moved from). May not keep `account`.
  virtual bool HandleNow(Account& account, rpc::Held& held) = 0;
  // The slow way, where something must be waited for. The account is nobody else's until it returns.
  virtual Task<void> Handle(Account& account, rpc::Held held) = 0;
  // The account was read (again): before anything else happens to it.
  virtual Task<void> AfterLoad(Account& account) = 0;
  // Whether something that was sent to its sessions may yet come back.
  virtual bool MayGetBack(const Account& account) const = 0;
  // Its sessions could not be read in time, or its mailbox is full.
  virtual void Unreachable(rpc::Held held) = 0;

 protected:
  ~StanzaHandler() = default;
};

// All accounts in memory, each with its mailbox: for one account one thing happens at a time, in the order posted.
// Redis is the authority; an account that is not in memory, or was changed by another router, is read before its turn.
class AccountTable {
 public:
  using Job = router::Job;
  // The roster cache and the like: forgets what it knows of an account (nullptr: of all).
  using Forget = std::function<void(const std::string* bare)>;

  AccountTable(Tasks& tasks, SessionStore& store, const Options& options, Metrics& metrics, Forget forget);
  ~AccountTable();
  void SetHandler(StanzaHandler& handler) { handler_ = &handler; }

  void Post(std::string_view bare, rpc::Held held);
  void Post(std::string_view bare, Job job);
  // Before all that waits, but behind what was posted so before: it was with an edge already.
  void PostReturned(std::string_view bare, rpc::Held held);
  void PostReturned(std::string_view bare, std::vector<rpc::Held> held);
  void PostReturned(std::string_view bare, Job job);
  // Before these too, in this order.
  void PostFirst(std::string_view bare, std::vector<rpc::Held> oldest);

  // Whether any of these waits.
  bool HasReturned(const Account& account) const;

  // By the key of Redis that changed; nullptr: any may have.
  void Invalidate(const std::string* key);
  // Others serve our accounts from now on: what we could not write yet, we write only where they have written nothing.
  void DoubtUnsaved();
  // Redis can be reached, and refused to write it: until it takes that.
  void SaveLater(const Account& account) { unsaved_.Add(account.bare()); }
  // What comes after the stanza that is being handled for the account; null: nothing yet, or no stanza.
  const rpc::Envelope* Next(const Account& account) const;

  // Reads an account anew in the middle of a handler, after a write lost to another router's.
  Task<bool> Reload(Account& account);
  // Does in the middle of a handler, which may wait for long yet, what may overtake; once at a time for each account.
  // The handler must look up anew what it knew of the account's sessions. What of this fails harms nothing else.
  Task<void> LetIn(std::string bare);
  // Whether there may be something for LetIn to do.
  bool HasOvertakers(const std::string& bare) const;

  std::size_t size() const { return slots_.size(); }
  std::size_t waiting() const { return waiting_; }
  bool busy() const { return busy_ != 0; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Slot;
  using Lru = std::list<Slot*>;
  struct Slot {
    explicit Slot(std::string bare) : account(std::move(bare)) {}
    Account account;
    std::list<Work> returned;  // comes before the mailbox; an empty list holds no memory
    Mailbox mailbox;
    bool idle() const { return mailbox.empty() && returned.empty(); }
    Lru::iterator place;
    std::uint64_t generation = 0;  // 0: not read yet
    bool stale = false;
    bool busy = false;
    bool handling = false;  // and what it is busy with is in no list any more
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Slot& Obtain(std::string_view bare);
  bool Fresh(const Slot& slot) const;
  Work Waiting(rpc::Held held) const;
  void OnWaiting(Slot& slot);
  static Work& First(Slot& slot);
  Work PopNext(Slot& slot);
  void Start(Slot& slot);
  void Stop(Slot& slot);
  Task<void> Pump(Slot& slot);
  Task<void> DoWork(Slot& slot, Work work);
  bool MayBeSaidAgain(const Work& work) const;
  static bool Abandoned(const Work& work) { return work.job.abandoned && work.job.abandoned(); }
  Task<bool> LetInNext(Slot& slot);
  Task<bool> MakeFresh(Slot& slot, Work& work);
  Task<bool> Load(Slot& slot, Job& job);
  Task<void> SaveUnsaved(Account& account);
  void Fail(Work work);
  void Drop(Slot& slot);
  void Evict();
  void Erase(Slot& slot);

  Tasks& tasks_;
  SessionStore& store_;
  Options options_;
  Metrics& metrics_;
  Forget forget_;
  StanzaHandler* handler_ = nullptr;
  std::unordered_map<std::string, std::unique_ptr<Slot>, Hash, std::equal_to<>> slots_;
  Lru lru_;  // most recently used first
  std::uint64_t generation_ = 1;
  std::size_t waiting_ = 0;
  std::size_t busy_ = 0;
  Unsaved unsaved_;
  // Accounts for which something is let in. Shared, as coroutines may outlive the table when the process goes.
  std::shared_ptr<std::set<std::string>> letting_in_ = std::make_shared<std::set<std::string>>();
};

}  // namespace parley::router
