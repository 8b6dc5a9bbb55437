#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libs/base/result.h"
#include "libs/base/task.h"
#include "libs/rpc/link.h"
#include "libs/session/queue.h"
#include "libs/storage/redis.h"
#include "parley/session/v1/session.pb.h"
#include "services/router/metrics.h"
#include "services/router/node_index.h"
#include "services/router/options.h"

namespace parley::router {

// Sessions in Redis (ARCHITECTURE.md, "Sessions in Redis"). A field's value is "<session id> <revision>\n" and the
// record: the first line is what the scripts compare.
//
// A session with a queue that ends is *retired* first: its record moves out of the way, to a field that no resource
// has, and its queue gets another name. So nobody adds to the queue or resumes the session any more, the resource is
// free, and what has to be done is found there by whoever reads the account after a crash.
class SessionStore {
 public:
  enum class Write {
    kDone,
    kConflict,
    kNoQueue,  // nothing was written: the queue that was to be claimed does not exist
  };
  // What a resource's field must hold for a write to happen.
  struct Expected {
    std::string session;  // empty: nothing
    std::uint64_t revision = 0;
  };

  SessionStore(Tasks& tasks, storage::Redis& redis, const Options& options, Metrics& metrics);

  static Expected As(const Record& record) { return {record.session(), record.revision()}; }
  struct Loaded {
    std::vector<Record> sessions;
    std::vector<Record> retired;
  };

  bool up() const { return redis_.up(); }
  Task<Result<Loaded>> Load(std::string bare);
  // The same; an account that has nothing gets `first` in the same step, which then is what was loaded. Indexed, too.
  Task<Result<Loaded>> LoadOrPut(std::string bare, Record first);
  Task<Result<Write>> Put(std::string bare, Record next, Expected expected);
  // Redis did not say whether it has the session, which was to be put. That is known when it can be asked again.
  void NoteUnknown(const std::string& session) { unknown_.insert(session); }
  bool unknown(const std::string& session) const { return unknown_.contains(session); }
  void OnRedisUp() { unknown_.clear(); }
  // Put, and the queue that `next` names begins with `header` alone, unless it is there already.
  Task<Result<Write>> PutWithQueue(std::string bare, Record next, Expected expected, session::v1::QueueHeader header);
  // Whether the record may have got its queue when Redis did not say so.
  bool IsDoubtful(const Record& record) const;
  // Queues that the session got in such a way, but for that which it has: they are gone.
  void ForgetDoubtful(const std::string& bare, const Record& record);
  // Put, and the queue `from` gets the name that `next` has for it.
  Task<Result<Write>> Claim(std::string bare, Record next, Expected expected, std::string from);
  // See above. `next`, if it has a session, takes the resource in the same step. Done, too, if just this was done
  // before (but for `next`): another router may have retired a later record, by which it tells others. The record is
  // afterwards as Retired() says.
  Task<Result<Write>> Retire(std::string bare, Record record, Expected expected, Record next);
  static Record Retired(Record record);

  // Whether all that a retired session left was taken care of, lately. Not if Redis has lost it.
  Task<Result<bool>> IsFinished(std::string bare, std::string session);

  // What a queue holds; nullopt if there is no such queue, or none that can be read.
  Task<Result<std::optional<session::QueueContents>>> LoadQueue(std::string bare, std::string queue);
  // What the queue of an ended session held, for some time after all of it was taken care of; nullopt: not known.
  Task<Result<std::optional<session::QueueContents>>> LoadPastQueue(std::string bare, std::string session);
  // Appends; the length of the list afterwards, 0: there is no such queue.
  Task<Result<std::uint64_t>> Append(std::string bare, std::string queue, std::string element);
  // What its client got and has not answered, of a session without a queue: who takes it answers it. After an error
  // Redis may have given it to `taker`, a name that nobody else has: who asks again under that gets it.
  Task<Result<std::vector<session::v1::Asked>>> TakeAsked(std::string bare, std::string session, std::string taker);
  // How many of its client's stanzas an ended session had handled, as XEP-0198 counts; for a while.
  void RememberEnded(const std::string& bare, const std::string& session, std::uint32_t handled,
                     std::chrono::milliseconds time);
  Task<Result<std::optional<std::uint32_t>>> RecallEnded(std::string bare, std::string session);
  // What its client had acknowledged, of a session that is to be erased (EraseWhenSettled): it is written in the same
  // step.
  void RememberAcknowledged(const std::string& session, const session::v1::Acknowledged& acknowledged);
  // The same of all sessions of the account that ended lately, also of those that are to be erased yet.
  Task<Result<std::vector<session::v1::Acknowledged>>> LoadAcknowledged(std::string bare);

  // Which sessions each node has: before a bind or restore they are added, so that they are found if it dies.
  NodeIndex& index() { return index_; }
  // After the end of a session: when the last copy of the receipt that is returned goes, the record goes too, however
  // long it takes, and then `receipt`. Load does not see the session any more until then. `put_back`, if it is not
  // null, is called if another router wrote the record meanwhile, which stays then. One with a queue cannot be written.
  using PutBack = std::function<void()>;
  rpc::Receipt EraseWhenSettled(const std::string& bare, const Record& record, rpc::Receipt receipt, PutBack put_back);
  bool ending(const std::string& session) const { return ending_.contains(session); }
  // The process is about to end: nothing is erased any more on account of what is dropped.
  void Close() { alive_.reset(); }
  // Makes other routers forget what they have of the account, its roster too.
  void Touch(const std::string& bare);

 private:
  Task<Result<std::optional<session::QueueContents>>> LoadList(std::string bare, std::string key);
  Loaded LoadedFrom(const std::string& bare, const storage::Reply& fields) const;
  // Of one that is to be erased; empty: nothing lately.
  std::string AcknowledgedBy(const std::string& session) const;
  Task<Result<storage::Reply>> Erase(const std::string& bare, const Record& record, bool put_back);
  // What was retired of one with a queue.
  Task<Result<storage::Reply>> EraseRetired(const std::string& bare, const Record& record);
  Task<void> ForgetUntilDone(std::string bare, Record record);
  Task<void> EraseUntilDone(std::string bare, Record record, rpc::Receipt receipt, PutBack put_back);
  Task<Result<Write>> RunWrite(const storage::Script& script, std::vector<std::string> keys,
                               std::vector<std::string> arguments);
  // Its queue may have been made.
  void NoteDoubtful(const Record& record);
  void Measure(std::chrono::steady_clock::time_point since);

  Tasks& tasks_;
  storage::Redis& redis_;
  const std::chrono::milliseconds remember_queue_;
  const std::chrono::milliseconds remember_acknowledged_;
  const std::size_t remember_ends_;
  Metrics& metrics_;
  struct Ending {
    std::string bare;
    std::string acknowledged;  // v1.Acknowledged
  };
  std::unordered_map<std::string, Ending> ending_;  // by session
  const std::size_t max_doubtful_;
  NodeIndex index_;
  std::unordered_set<std::string> unknown_;
  // By session: queues that Redis may have made although it did not say so.
  std::unordered_multimap<std::string, std::string> doubtful_;
  std::shared_ptr<SessionStore*> alive_;
};

}  // namespace parley::router
