#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "libs/rpc/link.h"
#include "services/c2s/context.h"
#include "services/c2s/session/latest_numbers.h"
#include "services/c2s/session/route.h"
#include "services/c2s/wheel.h"

namespace parley::c2s {

class Session;

// What a session sent: numbers it, sends it in order, and knows what the routers have not taken yet.
// Holds next to nothing on the heap while nothing is under way.
class Uplink {
 public:
  Uplink(Session& session, Context& context);

  // Each stanza of the client gets a number, also one that goes no further.
  std::uint64_t Number() { return ++last_; }
  std::uint64_t last() const { return last_; }
  // One that no stanza of the client has or will have.
  std::uint64_t NumberOfOurOwn() { return last_ = std::max({last_, taken_, used_}) + 1; }
  // A resumed client sends again what is behind this number (XEP-0198 section 5).
  void StartAfter(std::uint64_t number) {
    taken_ = std::max(taken_, last_);
    last_ = number;
  }
  // The client used up to this number at another edge. What it sends again of that came to nobody here.
  void NoteUsed(std::uint64_t number) { used_ = std::max(used_, number); }
  // It came before, on an earlier stream of the session to this edge.
  bool IsTaken(std::uint64_t seq) const { return seq <= taken_; }
  // Sends it now, or when order allows. Its number is its origin_seq. `span`: if it is traced.
  void Send(std::unique_ptr<link::v1::Envelope> envelope, std::unique_ptr<tracing::Span> span = nullptr);
  // False: give no more until OnReady of the session.
  bool ready() const { return (waiting_.empty() || MayWait()) && !full() && !congested_; }

  // Beyond what Redis knows to be handled: should we die, another edge takes no more than that for possible repeats.
  bool TooFarAhead() const;

  // A router took responsibility for number `seq`, or it was answered here.
  void Settle(std::uint64_t seq);
  // An answer to number `seq` came. False: it had been answered before.
  enum class Delivery { kFirst, kRepeat };
  bool TakeAnswer(std::uint64_t seq, Delivery delivery);
  // The ring has room again, or there is no use in waiting.
  void OnWritable();
  // Redis may know of more that is handled, or cannot be told.
  void OnNoted();
  // Sends what neither order nor doubt holds back any more.
  void Pump();
  // This number and what follows wait until it, or a later one that was held, is released. Numbers rise.
  void HoldFrom(std::uint64_t seq);
  void Release(std::uint64_t seq);
  // Whether the routers were given number `seq`, and have not taken it.
  bool IsPending(std::uint64_t seq) { return Find(seq) != pending_.end(); }
  // It is pending, but has not gone: it is sent again when the session may act.
  void TakeBack(rpc::Held held);
  // The client says elsewhere what has not gone.
  void Drop();

  // All up to this number are handled (XEP-0198 section 4): taken by the routers, or answered here.
  std::uint64_t handled() const;
  bool idle() const { return pending_.empty() && waiting_.empty(); }
  // But for presence: what says more of that comes behind it.
  bool idle_but_for_presence() const { return pending_.size() == spreading_ && waiting_.empty(); }
  // Somebody waits until it is, or for a part of that. Else nobody does for a message without stream management.
  void Hurry();
  bool hurried() const { return hurried_; }

 private:
  struct Pending {
    std::uint64_t seq;
    Route::Path path;
    bool answered;
  };
  bool full() const;
  void CountLimit();
  // Doubt may last, and a hold is short; what waits for order is few.
  bool MayWait() const;
  // By order, because it is held, or because the session may not act.
  bool Blocked(const link::v1::Envelope& envelope, Route::Path path) const;
  void Forward(rpc::Held held, const Route& route);
  void Changed(bool was_ready);
  bool AnswersTakenBack(std::uint64_t seq);
  std::vector<Pending>::iterator FirstFrom(std::uint64_t seq);
  std::vector<Pending>::iterator Find(std::uint64_t seq);
  std::uint32_t& CountOf(Route::Path path);
  static void StopWaiting(void* self);

  Session& session_;
  Context& context_;
  std::uint64_t last_ = 0;
  std::uint64_t taken_ = 0;         // the highest number of earlier streams to this edge
  std::uint64_t used_ = 0;          // that we know of, at others
  std::uint64_t dropped_from_ = 0;  // 0: none
  std::uint64_t held_from_ = 0;     // 0: none
  std::uint64_t held_to_ = 0;
  // Also by a router that was cut off for a moment, and does not know that another one has answered meanwhile.
  LatestNumbers answered_;
  std::vector<Pending> pending_;    // by number
  std::vector<rpc::Held> waiting_;  // for order, see Blocked()
  Wheel::Timer patience_;
  std::uint32_t direct_ = 0;  // of the pending ones
  std::uint32_t spreading_ = 0;
  std::uint32_t other_ = 0;
  bool congested_ = false;
  bool limit_counted_ = false;
  bool hurried_ = false;
};

}  // namespace parley::c2s
