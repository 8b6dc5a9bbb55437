#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "libs/base/task.h"
#include "libs/rpc/link.h"
#include "services/router/account.h"
#include "services/router/session_store.h"

namespace parley::router {

// Something else than a stanza that is to be done in an account's turn.
struct Job {
  std::function<Task<void>(Account&)> run;
  // May be null: called instead if the account cannot be read.
  std::function<void()> failed;
  // May be null: whether nobody waits for it any more. Then it is failed.
  std::function<bool()> abandoned;
  // May be null: what it waits for before it is looked at whether the account is to be read again.
  std::function<Task<void>()> wait;
  // May be null: how to read an account that is not known at all, instead of SessionStore::Load.
  std::function<Task<Result<SessionStore::Loaded>>()> load;
  // May be null: whether it need not wait for a handler that waits for PostgreSQL (AccountTable::LetIn).
  std::function<bool(Account&)> may_overtake;
};

// A stanza or a job that waits for its account.
struct Work {
  rpc::Held held;
  Job job;
  std::chrono::steady_clock::time_point since;
};

// What waits for an account, in order. Empty it holds no memory; each operation takes the same time whatever waits, but
// for those that say otherwise.
class Mailbox {
 public:
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  Work& front() { return waiting_.front(); }
  const Work& front() const { return waiting_.front(); }
  void PushBack(Work work);
  void PushFront(Work work);
  Work PopFront();
  // A message that waits yet, and is sent again since its link broke: the sender waits for the later one, which takes
  // its place. False: it is none (`held` is as it was). The first in a row passes over all that waits.
  bool TakesPlace(rpc::Held& held);
  // Jobs that may overtake, at some time.
  bool has_overtakers() const { return overtakers_ > 0; }
  // The first that may now, taken out; nullopt: none may. Passes over what waits before it.
  std::optional<Work> PopOvertaker(Account& account);

 private:
  using Waiting = std::list<Work>;
  using ByIdentity = std::unordered_multimap<std::uint64_t, Waiting::iterator>;
  void Note(Waiting::iterator place);
  void IndexAll();
  void Index(Waiting::iterator place);
  void Unindex(Waiting::iterator place);
  Work TakeOut(Waiting::iterator place);

  Waiting waiting_;
  std::size_t overtakers_ = 0;
  // The messages among these, from the first repeat on until nothing waits; null: none came.
  std::unique_ptr<ByIdentity> by_identity_;
};

}  // namespace parley::router
