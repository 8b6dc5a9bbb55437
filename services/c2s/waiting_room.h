#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "libs/base/loop.h"
#include "libs/config/config.h"
#include "services/c2s/admission.h"
#include "services/c2s/metrics.h"
#include "services/c2s/streams.h"

namespace parley::c2s {

// A connection that was accepted and is not admitted yet.
struct Newcomer {
  int fd;
  std::string address;
  Streams::Kind kind;
};

// Where newcomers wait: for their address's rate, then for one of c2s.max_unauthenticated places, who came first first.
// While anybody waits for a place, whoever comes waits behind. Where no room is left the newest is refused; nobody
// waits for longer than c2s.admission_timeout. Each limit counts a connection once. Loop's thread only.
class WaitingRoom {
 public:
  // Both take the descriptor, from within Enter() or from the loop. Who is admitted and stays takes a Ticket at once.
  struct Doors {
    std::function<void(const Newcomer&)> admit;
    std::function<void(const Newcomer&)> refuse;
  };

  WaitingRoom(Loop& loop, const config::C2s& config, Admission& admission, Metrics& metrics, Doors doors);
  ~WaitingRoom();
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  void Enter(Newcomer newcomer);
  std::size_t waiting() const { return paced_.size() + queue_.size(); }
  // Refuses all who wait.
  void Clear();

 private:
  using Clock = TokenBucket::Clock;
  struct Queued {
    Newcomer newcomer;
    Clock::time_point until;
  };

  // Its rate lets it.
  void Queue(Newcomer newcomer);
  void OnPlace();
  void AdmitQueued();
  void OnTime();
  void WakeAt(Clock::time_point when);
  void Refuse(const Newcomer& newcomer, std::string_view limit);

  Loop& loop_;
  const config::C2s& config_;
  Admission& admission_;
  Metrics& metrics_;
  const Doors doors_;
  std::multimap<Clock::time_point, Newcomer> paced_;  // by when their address's rate lets them
  std::deque<Queued> queue_;                          // for a place
  bool admitting_ = false;
  Clock::time_point waking_;
  Loop::Timer timer_;
};

}  // namespace parley::c2s
