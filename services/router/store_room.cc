#include "services/router/store_room.h"

#include <iterator>
#include <utility>

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kLook{100};

}  // namespace

StoreRoom::StoreRoom(Loop& loop, Options options, Metrics& metrics)
    : loop_(loop), options_(std::move(options)), metrics_(metrics) {}

StoreRoom::Visit::~Visit() {
  if (const auto room = room_.lock()) room->Leave(owner_);
}

bool StoreRoom::Take(const std::string& owner) {
  const bool given = given_.erase(owner) > 0;
  if (!given && !(line_.empty() && HasPlace())) {
    metrics_.limits_storing.Increment();
    return false;
  }
  metrics_.storing.Set(static_cast<double>(++taken_));
  return true;
}

void StoreRoom::Free() {
  metrics_.storing.Set(static_cast<double>(--taken_));
  Serve();
}

Task<StoreRoom::News> StoreRoom::Wait(std::string owner) {
  if (given_.contains(owner)) co_return News::kPlace;  // while it let others in
  Place& place = Join(owner);
  if (place.late) co_return News::kLate;
  std::function<void(Resume)> start = [this, &place](Resume resume) {
    place.resume = std::move(resume);
    metrics_.storing_waiting.Set(static_cast<double>(++waiting_));
    if (!look_.armed()) look_ = loop_.Every(kLook, [this] { Look(); });
    Serve();
  };
  co_return co_await Await<News>(std::move(start));
}

StoreRoom::Place& StoreRoom::Join(const std::string& owner) {
  if (const auto found = by_owner_.find(owner); found != by_owner_.end()) return *found->second;
  Place& place = line_.emplace_back(Place{owner, Clock::now() + options_.patience, false, nullptr});
  by_owner_.emplace(place.owner, std::prev(line_.end()));
  return place;
}

// Who is late stays: its next messages need not wait as long again.
void StoreRoom::Leave(const std::string& owner) {
  if (given_.erase(owner) > 0) return Serve();
  const auto found = by_owner_.find(owner);
  if (found != by_owner_.end() && !found->second->late) Erase(found->second);
  Serve();
}

void StoreRoom::Erase(Line::iterator place) {
  by_owner_.erase(place->owner);
  line_.erase(place);
}

void StoreRoom::Serve() {
  while (!line_.empty() && HasPlace()) {
    Place& first = line_.front();
    if (!first.late) given_.insert(first.owner);
    if (first.resume) Wake(first, News::kPlace);
    Erase(line_.begin());
  }
}

// At those who wait.
void StoreRoom::Look() {
  const auto now = Clock::now();
  for (auto& place : line_) {
    if (!place.resume) continue;
    if (now >= place.until) {
      place.late = true;
      Wake(place, News::kLate);
    } else if (options_.has_overtakers(place.owner)) {
      Wake(place, News::kOvertakers);
    }
  }
  if (waiting_ == 0) look_.Cancel();
}

void StoreRoom::Wake(Place& place, News news) {
  metrics_.storing_waiting.Set(static_cast<double>(--waiting_));
  loop_.Post([resume = std::exchange(place.resume, nullptr), news] { resume(news); });
}

}  // namespace parley::router
