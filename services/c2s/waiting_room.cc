#include "services/c2s/waiting_room.h"

#include <algorithm>
#include <utility>

namespace parley::c2s {

WaitingRoom::WaitingRoom(Loop& loop, const config::C2s& config, Admission& admission, Metrics& metrics, Doors doors)
    : loop_(loop), config_(config), admission_(admission), metrics_(metrics), doors_(std::move(doors)) {
  admission_.OnPlace([this] { OnPlace(); });
}

WaitingRoom::~WaitingRoom() { admission_.OnPlace({}); }

void WaitingRoom::Enter(Newcomer newcomer) {
  const bool room = paced_.size() < config_.max_connections_waiting;
  const Clock::duration most = room ? config_.admission_timeout : Clock::duration::zero();
  const auto wait = admission_.Pace(newcomer.address, most);
  if (!wait) return Refuse(newcomer, room ? "admission_time" : "connections_waiting");
  if (*wait == Clock::duration::zero()) return Queue(std::move(newcomer));
  const auto due = Clock::now() + *wait;
  paced_.emplace(due, std::move(newcomer));
  WakeAt(due);
}

void WaitingRoom::Queue(Newcomer newcomer) {
  if (queue_.empty() && admission_.HasPlace()) return doors_.admit(newcomer);
  metrics_.limits.Add("unauthenticated");
  if (queue_.size() >= config_.max_connections_waiting) return Refuse(newcomer, "connections_waiting");
  const auto until = Clock::now() + config_.admission_timeout;
  queue_.push_back(Queued{std::move(newcomer), until});
  WakeAt(until);
}

// Not at once: the stream that gave it back may be in the middle of something.
void WaitingRoom::OnPlace() {
  if (queue_.empty() || std::exchange(admitting_, true)) return;
  loop_.Post([this] { AdmitQueued(); });
}

void WaitingRoom::AdmitQueued() {
  admitting_ = false;
  while (!queue_.empty() && admission_.HasPlace()) {
    const Newcomer oldest = std::move(queue_.front().newcomer);
    queue_.pop_front();
    doors_.admit(oldest);
  }
}

void WaitingRoom::OnTime() {
  const auto now = Clock::now();
  while (!paced_.empty() && paced_.begin()->first <= now) {
    Queue(std::move(paced_.extract(paced_.begin()).mapped()));
  }
  while (!queue_.empty() && queue_.front().until <= now) {
    const Newcomer late = std::move(queue_.front().newcomer);
    queue_.pop_front();
    Refuse(late, "admission_time");
  }
  if (!paced_.empty()) WakeAt(paced_.begin()->first);
  if (!queue_.empty()) WakeAt(queue_.front().until);
}

void WaitingRoom::WakeAt(Clock::time_point when) {
  if (timer_.armed() && waking_ <= when) return;
  waking_ = when;
  timer_ = loop_.After(std::max(Clock::duration::zero(), when - Clock::now()), [this] { OnTime(); });
}

void WaitingRoom::Refuse(const Newcomer& newcomer, std::string_view limit) {
  metrics_.limits.Add(limit);
  doors_.refuse(newcomer);
}

void WaitingRoom::Clear() {
  for (const auto& [due, newcomer] : std::exchange(paced_, {})) doors_.refuse(newcomer);
  for (const auto& queued : std::exchange(queue_, {})) doors_.refuse(queued.newcomer);
}

}  // namespace parley::c2s
