#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/result.h"
#include "libs/rpc/link.h"
#include "libs/session/queue.h"
#include "services/c2s/context.h"
#include "services/c2s/sm/entry.h"

namespace parley::c2s {

class Session;

// What a session with stream management has for its client and the client has not acknowledged (XEP-0198 section 4),
// here and in its queue in Redis. A stanza is the router's until Redis has it, and only then is it written to the
// client: so that whoever resumes the session after our end knows of all that the client may have seen. While Redis is
// away stanzas go to the client at once, and stay the router's until the client acknowledges them or Redis is back.
class Outbound {
 public:
  // Of the client's stanzas, those up to `handled` are.
  Outbound(Session& session, Context& context, std::string queue, std::uint64_t handled);
  ~Outbound();
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  const std::string& queue() const { return queue_; }
  std::size_t size() const { return entries_.size(); }
  // Whether there is room for one more.
  bool Fits(std::size_t bytes) const;

  void Push(std::unique_ptr<link::v1::Envelope> envelope, rpc::Receipt receipt);
  // The client answered the request `id` of `from`, which it may not have acknowledged.
  void MarkReplied(std::string_view id, std::string_view from);
  // At the end of the turn Redis has a new header.
  void UpdateHeader();
  // Requests of others that the client has neither acknowledged nor answered.
  std::vector<link::v1::Envelope> UnansweredRequests() const;
  // It has not acknowledged the request `id` of `from`.
  bool Holds(std::string_view id, std::string_view from) const;
  // What another edge left, when the session was claimed from it.
  void Adopt(session::QueueContents contents);
  // The client got `h` stanzas of ours, modulo 2^32.
  enum class Verdict { kFine, kTooHigh };
  Verdict Acknowledge(std::uint32_t h);
  // Number of the last that was ever written to the client, as XEP-0198 counts.
  std::uint32_t sent() const { return static_cast<std::uint32_t>(written_ever_); }
  // A stream is there: what the client has not acknowledged is written, again.
  void Attach();

  // Notes in Redis how many of the client's stanzas are handled; `done` gets whether it is noted.
  // `kSettled`: the session was left in order.
  enum class Close { kOpen, kSettled };
  void StoreHandled(Close close, std::function<void(bool)> done);
  // The highest number of the client's stanzas (origin_seq) that Redis knows to be handled.
  std::uint64_t stored() const { return stored_; }

  bool logged() const { return state_ == State::kReady && logged_ == last(); }
  // Calls back when Redis has all, or cannot be asked, or the session is over and was not ours any more.
  void WhenLogged(std::function<void()> done);
  // The session is over here: what Redis has not got goes back to the router.
  void GiveBack();

  // Asks Redis, and if need be the router, whether the session is ours still. `done` comes once it is known to be, or
  // to be ended, or Redis cannot be asked.
  void Verify(std::function<void()> done);
  void OnRedisUp();
  // Others may add to its queue in Redis, as for a session whose edge is dead: what is there comes before what is new,
  // also if Redis is away now.
  void Distrust() { distrusted_ = true; }
  // The router says that the session is ours: if its queue is gone, Redis lost it.
  void OnRestored();

 private:
  enum class State : std::uint8_t {
    kReady,    // what is pushed goes to Redis
    kSyncing,  // Redis is asked how things stand
    kDown,     // Redis is away
    kLost,     // the queue is gone: the router is asked whose the session is
  };
  std::uint64_t last() const { return acked_ + entries_.size(); }
  // One more for the client.
  Entry MakeEntry(link::v1::Envelope& envelope, std::int64_t at, rpc::Receipt receipt);
  Entry& At(std::uint64_t number) { return entries_[number - acked_ - 1]; }
  // At the end of the turn: one command for all that came in it, and if possible it says what is handled, too.
  void Plan();
  void Flush();
  void AppendNew();
  struct Appending {
    std::uint64_t number;  // of the last
    std::uint64_t length;  // that the list is to have
    std::uint32_t round;
  };
  void OnAppended(const Appending& appending, const Result<std::uint64_t>& length);
  void Suspend();
  bool hopeless() const;
  void Sync();
  void OnLoaded(std::uint32_t round, Result<session::QueueContents> loaded);
  void Reconcile(session::QueueContents contents);
  static bool HoldsMark(const std::vector<Entry>& entries, const link::v1::Envelope& envelope);
  bool IsAcknowledged(const link::v1::Envelope& envelope) const;
  void Rebuild(std::size_t length);
  void Ready();
  void Lost();
  void WriteOut();
  void Trim();
  // Something that is on its way to Redis and says what is handled, and who waits for that.
  struct Noting {
    std::uint64_t handled;
    std::vector<std::function<void(bool)>> done;
  };
  Noting StartNoting();
  void OnNoted(const Noting& noting, bool noted);
  // For a command that sets the header.
  std::function<void(Result<Ok>)> Noted();
  // Something that was sent to Redis in this round failed: it may be done or not.
  void OnFailure(std::uint32_t round);
  void Note();
  void SetHeader(Close close);
  void Remember(const Entry& entry, std::int64_t now);
  void RememberSeen(const session::Mark& mark, std::int64_t now);
  session::v1::QueueHeader Header(Close close);
  void CallWaiting();

  Session& session_;
  Context& context_;
  std::string queue_;
  std::string key_;
  std::vector<Entry> entries_;  // numbers acked_ + 1 .. last()
  std::size_t bytes_ = 0;       // of their stanzas
  // Numbers, counted from the beginning of stream management.
  std::uint64_t acked_ = 0;         // by the client
  std::uint64_t logged_ = 0;        // Redis has confirmed them
  std::uint64_t issued_ = 0;        // sent to Redis
  std::uint64_t trimmed_ = 0;       // taken out of Redis' list
  std::uint64_t written_ = 0;       // to the present stream
  std::uint64_t written_ever_ = 0;  // to any
  std::uint64_t stored_ = 0;
  std::vector<session::v1::Seen> seen_;
  std::vector<session::v1::Answered> answered_;
  std::vector<std::uint64_t> answers_seen_;  // requests whose answers the client acknowledged lately
  std::vector<std::function<void()>> waiting_;
  std::vector<std::function<void(bool)>> to_note_;
  Loop::Timer retry_;
  std::uint32_t round_ = 0;  // of asking Redis how things stand; answers to questions of earlier ones say nothing
  State state_ = State::kReady;
  bool may_create_ = false;
  bool distrusted_ = false;  // the queue was not read since others may have added to it
  bool planned_ = false;
  bool any_replied_ = false;  // perhaps, of entries_
  bool outdated_ = false;     // the header in Redis
};

}  // namespace parley::c2s
