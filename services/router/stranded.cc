#include "services/router/stranded.h"

#include <utility>

#include "libs/xmpp/jid.h"
#include "services/router/acknowledged.h"

namespace parley::router {

std::vector<Record> Stranded::WithOthers(const Account& account, const std::string& id) const {
  std::vector<Record> others;
  for (const auto& other : account.sessions()) {
    if (other.id() != id && parts_.edges.MayGiveBack(other.record)) others.push_back(other.record);
  }
  return others;
}

Task<void> Stranded::Share(Account& account, std::string id, std::vector<Record> others) {
  const Session* session = account.WithId(id);
  if (session == nullptr || session->stored == Session::Stored::kLeft) co_return;
  co_await parts_.edges.SettledOrCutOff(others);
  for (auto& other : others) {
    const bool cut_off = !parts_.edges.linked(other.node()) && parts_.edges.MayGiveBack(other);
    if (cut_off) co_await ShareOf(account, id, std::move(other));
  }
}

// What its edge had just taken is in the session's queue: it stays that session's.
Task<void> Stranded::ShareOf(Account& account, std::string id, Record other) {
  session::QueueContents queue;
  if (!other.queue().empty()) {
    auto loaded = co_await parts_.store.LoadQueue(account.bare(), other.queue());
    if (!loaded) co_return;
    if (*loaded) queue = std::move(**loaded);
  }
  const bool known = co_await parts_.unacknowledged.KnowAcknowledged(account);
  const Session* session = account.WithId(id);
  if (!known || session == nullptr || !session->takes_messages()) co_return;
  const QueueMemory had(queue);
  std::vector<Held> copies;
  parts_.edges.ForEachParked(other, [&](Held& waiting) {
    if (IsOpen(account, other, had, waiting)) copies.push_back(parts_.delivery.Share(waiting));
  });
  for (auto& copy : copies) {
    parts_.metrics.shared.Increment();
    parts_.sender.Deliver(*session, std::move(copy));
  }
}

bool Stranded::IsOpen(const Account& account, const Record& other, const QueueMemory& had, const Held& held) {
  const Envelope& waiting = *held.envelope;
  if (waiting.kind() != link::v1::KIND_MESSAGE || waiting.kept()) return false;
  if (session::MarkOf(waiting).origin == 0) return false;                // nothing would tell its repeat
  if (xmpp::ResourceOf(waiting.to()) == other.resource()) return false;  // for that session alone
  if (Delivery::WasShared(held)) return false;
  if (waiting.copied() && account.acknowledged()->HasCopy(waiting)) return false;
  return !had.Has(waiting);
}

}  // namespace parley::router
