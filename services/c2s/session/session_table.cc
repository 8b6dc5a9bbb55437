#include "services/c2s/session/session_table.h"

#include <algorithm>

#include "services/c2s/session/session.h"

namespace parley::c2s {

SessionTable::SessionTable() = default;
SessionTable::~SessionTable() = default;

void SessionTable::Add(std::shared_ptr<Session> session) {
  const std::string_view id = session->id();
  sessions_.emplace(id, std::move(session));
}

void SessionTable::Remove(const Session& session) {
  const auto found = sessions_.find(session.id());
  if (found == sessions_.end()) return;
  // The key goes before what it is a view into.
  ending_.emplace(session.id(), std::move(found->second));
  sessions_.erase(found);
}

void SessionTable::Forget(const Session& session) {
  const auto [begin, end] = ending_.equal_range(session.id());
  const auto found = std::find_if(begin, end, [&](const auto& entry) { return entry.second.get() == &session; });
  if (found == end) return;
  const auto keep = std::move(found->second);
  ending_.erase(found);
}

Session* SessionTable::Find(std::string_view id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

Session* SessionTable::FindEnding(std::string_view id) const {
  const auto [begin, end] = ending_.equal_range(id);
  if (begin == end) return nullptr;
  const auto found = std::find_if(begin, end, [](const auto& entry) { return !entry.second->departure().told(); });
  return (found == end ? begin : found)->second.get();
}

std::vector<std::weak_ptr<Session>> SessionTable::All() const {
  std::vector<std::weak_ptr<Session>> all;
  all.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) all.emplace_back(session);
  return all;
}

void SessionTable::OnRedisUp() {
  for (const auto& waiting : All()) {
    const auto session = waiting.lock();
    if (session && session->management()) session->management()->outbound().queue().OnRedisUp();
  }
}

std::size_t SessionTable::Unsettled() {
  std::size_t count = 0;
  for (const auto& waiting : All()) {
    const auto session = waiting.lock();
    if (!session || session->state() == Session::State::kEnded) continue;
    if (session->state() != Session::State::kAway || !session->departure().Settle()) ++count;
  }
  return count;
}

}  // namespace parley::c2s
