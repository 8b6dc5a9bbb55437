#include "services/router/parked.h"

#include <iterator>
#include <utility>

namespace parley::router {

void Parked::Add(Item item) {
  Places& places = of_session_[item.held.envelope->session()];
  items_.push_back(std::move(item));
  places.push_back(std::prev(items_.end()));
}

void Parked::ForEachOf(const std::string& session, const std::function<void(rpc::Held&)>& change) {
  const auto places = of_session_.find(session);
  if (places == of_session_.end()) return;
  for (const auto& place : places->second) change(place->held);
}

Parked::Items Parked::TakeOf(const std::string& session) {
  Items taken;
  const auto places = of_session_.extract(session);
  if (!places) return taken;
  for (const auto& place : places.mapped()) {
    taken.push_back(std::move(*place));
    items_.erase(place);
  }
  return taken;
}

Parked::Items Parked::TakeBefore(std::chrono::steady_clock::time_point time) {
  Items taken;
  for (; !items_.empty() && items_.front().since < time; items_.pop_front()) {
    const auto places = of_session_.find(items_.front().held.envelope->session());
    places->second.pop_front();  // the first of all is the first of its session
    if (places->second.empty()) of_session_.erase(places);
    taken.push_back(std::move(items_.front()));
  }
  return taken;
}

Parked::Items Parked::TakeAll() {
  of_session_.clear();
  Items taken(std::make_move_iterator(items_.begin()), std::make_move_iterator(items_.end()));
  items_.clear();
  return taken;
}

}  // namespace parley::router
