#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "libs/session/packing.h"
#include "libs/session/queue.h"
#include "services/c2s/context.h"
#include "services/c2s/sm/layout.h"
#include "services/c2s/sm/noting.h"
#include "services/c2s/sm/remembered.h"
#include "services/c2s/sm/unacked.h"

namespace parley::c2s {

class Outbound;
class Session;

// Keeps the queue of a session in Redis as what its client has not acknowledged: appends, trims, says in its header how
// the session stands, and finds out how things stand when Redis was away or others may have changed it.
class StoredQueue {
 public:
  // Of the client's stanzas, those up to `handled` are.
  StoredQueue(Outbound& outbound, Session& session, Context& context, std::string name, std::uint64_t handled);
  ~StoredQueue();
  StoredQueue(const StoredQueue&) = delete;
  StoredQueue& operator=(const StoredQueue&) = delete;

  const std::string& name() const { return name_; }
  // At the end of the turn: one command for all that came in it, and if possible it says what is handled, too.
  void Plan();
  // Unix milliseconds, for all that this turn brings.
  std::int64_t planned_at() const { return planned_at_; }
  // At the end of the turn Redis has a new header.
  void UpdateHeader();
  // What another edge left, and is not acknowledged.
  void Adopt(const session::QueueContents& contents);
  // Up to this number the client may see what is pushed: Redis has it or, while it is away, is to get it.
  std::uint64_t released() const;
  // Redis has confirmed all up to this number.
  std::uint64_t logged_up_to() const { return logged_; }
  // Tells the home router, once, that the client gets what only we have: whoever has the session after our death is to
  // know that it may have counted further than the queue (link.v1.Unlogged).
  void SayUnlogged();
  // Numbers are higher by so many, as the client has counted what is not in the queue: behind `after`, which was the
  // number of the last before that.
  void Renumber(std::uint64_t after, std::uint64_t by);
  // What is pushed need not wait for Redis, which is away.
  bool down() const { return state_ == State::kDown; }
  // It is gone from Redis, as far as we know: nothing can be noted in it.
  bool lost() const { return state_ == State::kLost; }

  // Notes in Redis how many of the client's stanzas are handled; `done` gets whether it is noted.
  // `kSettled`: the session was left in order.
  enum class Close { kOpen, kSettled };
  void StoreHandled(Close close, std::function<void(bool)> done);
  // What its header is to say of what Redis is known to have, for a router to whom that matters while Redis cannot be
  // told. Empty: what Redis has may have other numbers than ours.
  std::string LastHeader();
  // The highest number of the client's stanzas (origin_seq) that Redis knows to be handled.
  std::uint64_t stored() const { return noting_.stored(); }

  bool logged() const;
  // Calls back when Redis has all, or cannot be asked, or the session is over and was not ours any more.
  void WhenLogged(std::function<void()> done);
  // The session is over here: what Redis has not got goes back to the router.
  void GiveBack();
  // Whether there is any of that.
  bool owes() const;

  // Asks Redis, and if need be the router, whether the session is ours still. `done` comes once it is known to be, or
  // to be ended, or Redis cannot be asked.
  void Verify(std::function<void()> done);
  void OnRedisUp();
  // Others may add to its queue in Redis, as for a session whose edge is dead: what is there comes before what is new,
  // also if Redis is away now.
  void Distrust();
  // The router says that the session is ours: if its queue is gone, Redis lost it.
  void OnRestored();

 private:
  enum class State : std::uint8_t {
    kReady,    // what is pushed goes to Redis
    kSyncing,  // Redis is asked how things stand
    kDown,     // Redis is away
    kLost,     // the queue is gone: the router is asked whose the session is
  };
  // Number of the last that Redis has, or that the client has anyway.
  std::uint64_t sure() const;
  bool hopeless() const;
  void Flush();
  void AppendNew();
  // All behind this number as elements of the list, which is to have them now.
  session::Packing Pack(std::uint64_t after, std::uint64_t handled);
  struct Appending {
    std::uint64_t number;  // of the last
    std::uint64_t length;  // that the list is to have
    std::uint32_t round;
  };
  void OnAppended(const Appending& appending, const Result<std::uint64_t>& length);
  void Trim();
  void Note();
  void SetHeader(Close close);
  void Finish(const Noting::Note& note, bool noted);
  // For a command that sets the header.
  std::function<void(Result<Ok>)> Noted();
  // Something that was sent to Redis in this round failed: it may be done or not.
  void OnFailure(std::uint32_t round);
  session::v1::QueueHeader Header(Close close);

  void Suspend();
  void NoteLate();
  void Sync();
  void OnLoaded(std::uint32_t round, Result<session::QueueContents> loaded);
  void OnContents(session::QueueContents contents);
  void Rebuild(std::size_t length);
  void Ready();
  void Lost();
  void CallWaiting();

  Outbound& outbound_;
  Unacked& unacked_;
  Session& session_;
  Context& context_;
  std::string name_;
  std::string key_;
  std::uint64_t logged_ = 0;  // Redis has confirmed them
  std::uint64_t issued_ = 0;  // sent to Redis
  std::optional<std::uint64_t> said_unlogged_after_;
  struct Renumbered {
    std::uint64_t after;
    std::uint64_t by;
  };
  std::optional<Renumbered> renumbered_;  // once it was
  Layout layout_;                         // of Redis' list, when all is done that it was sent
  Noting noting_;
  std::vector<std::function<void()>> waiting_;
  std::int64_t planned_at_ = 0;
  Loop::Timer retry_;
  std::uint32_t round_ = 0;  // of asking Redis how things stand; answers to questions of earlier ones say nothing
  State state_ = State::kReady;
  bool may_create_ = false;
  bool distrusted_ = false;  // the queue was not read since others may have added to it
  bool planned_ = false;
  bool outdated_ = false;  // the header in Redis
};

}  // namespace parley::c2s
