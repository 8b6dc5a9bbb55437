#include "services/router/diverted.h"

#include <algorithm>
#include <utility>

#include "services/router/queue_memory.h"

namespace parley::router {

void Diverted::Note(const link::v1::Envelope& envelope, std::vector<std::string> sessions, std::size_t most) {
  const std::uint64_t identity = IdentityOf(envelope);
  if (identity == 0) return;
  latest_.push_back({identity, std::move(sessions)});
  while (latest_.size() > most) latest_.pop_front();
}

std::vector<std::string> Diverted::Sessions(const link::v1::Envelope& envelope) const {
  const std::uint64_t identity = IdentityOf(envelope);
  const auto is_it = [identity](const Message& message) { return message.identity == identity; };
  const auto found = std::find_if(latest_.rbegin(), latest_.rend(), is_it);
  return found == latest_.rend() ? std::vector<std::string>() : found->sessions;
}

}  // namespace parley::router
