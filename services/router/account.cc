#include "services/router/account.h"

#include <algorithm>
#include <limits>

#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

// From a client's request for its roster to its presence: milliseconds, or a round trip. Then the roster service is
// asked whether messages wait. Not a setting: whatever stores a message for the account here says so at once, and what
// another router stores while it believes that it is the home, too, waits for the next login at worst.
constexpr std::chrono::seconds kBelieved{2};

}  // namespace

Account::Account(std::string bare) : bare_(std::move(bare)) {}

std::string_view Account::local() const { return xmpp::LocalOf(bare_); }
std::string_view Account::domain() const { return xmpp::DomainOf(bare_); }

bool Account::unsaved() const {
  return std::any_of(sessions_.begin(), sessions_.end(), [](const Session& session) { return session.unsaved; });
}

Session* Account::WithResource(std::string_view resource) {
  for (auto& session : sessions_) {
    if (session.record.resource() == resource) return &session;
  }
  return nullptr;
}

Session* Account::WithId(std::string_view id) {
  for (auto& session : sessions_) {
    if (session.id() == id) return &session;
  }
  return nullptr;
}

const Session* Account::Asking(std::string_view id) {
  if (const Session* session = WithId(id)) return session;
  for (const auto& session : vanished_) {
    if (session.id() == id) return &session;
  }
  return nullptr;
}

std::string Account::FullJid(const Session& session) const { return bare_ + "/" + session.record.resource(); }

Reach Account::reach() const {
  Reach reach = Reach::kNoResource;
  for (const auto& session : sessions_) {
    if (session.takes_messages()) return Reach::kNonNegative;
    if (session.available()) reach = Reach::kNegativeOnly;
  }
  return reach;
}

int Account::highest_priority() const {
  int highest = std::numeric_limits<int>::min();
  for (const auto& session : sessions_) {
    if (session.available()) highest = std::max(highest, session.record.priority());
  }
  return highest;
}

bool Account::anonymous() const {
  return std::any_of(sessions_.begin(), sessions_.end(), [](const Session& s) { return s.record.anonymous(); });
}

void Account::NoteNothingStored() { nothing_stored_until_ = std::chrono::steady_clock::now() + kBelieved; }

}  // namespace parley::router
