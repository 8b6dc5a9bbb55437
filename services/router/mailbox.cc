#include "services/router/mailbox.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/router/queue_memory.h"

namespace parley::router {
namespace {

// 0: it is no message, or not to be recognised.
std::uint64_t IdentityOfMessage(const rpc::Held& held) {
  const bool message = held.envelope && held.envelope->kind() == link::v1::KIND_MESSAGE;
  return message ? IdentityOf(*held.envelope) : 0;
}

}  // namespace

void Mailbox::PushBack(Work work) {
  waiting_.push_back(std::move(work));
  Note(std::prev(waiting_.end()));
}

void Mailbox::PushFront(Work work) {
  waiting_.push_front(std::move(work));
  Note(waiting_.begin());
}

Work Mailbox::PopFront() { return TakeOut(waiting_.begin()); }

std::optional<Work> Mailbox::PopOvertaker(Account& account) {
  if (!has_overtakers()) return std::nullopt;
  const auto place = std::find_if(waiting_.begin(), waiting_.end(), [&account](const Work& work) {
    return work.job.may_overtake && work.job.may_overtake(account);
  });
  if (place == waiting_.end()) return std::nullopt;
  return TakeOut(place);
}

bool Mailbox::TakesPlace(rpc::Held& held) {
  if (empty() || !held.envelope->repeat()) return false;
  const std::uint64_t identity = IdentityOfMessage(held);
  if (identity == 0) return false;
  if (!by_identity_) IndexAll();
  const auto [first, last] = by_identity_->equal_range(identity);
  const auto found = std::find_if(first, last, [](const auto& each) { return each.second->held.receipt.severed(); });
  if (found == last) return false;
  found->second->held = std::move(held);
  return true;
}

void Mailbox::Note(Waiting::iterator place) {
  if (place->job.may_overtake) ++overtakers_;
  if (by_identity_) Index(place);
}

void Mailbox::IndexAll() {
  by_identity_ = std::make_unique<ByIdentity>();
  for (auto place = waiting_.begin(); place != waiting_.end(); ++place) Index(place);
}

void Mailbox::Index(Waiting::iterator place) {
  if (const std::uint64_t identity = IdentityOfMessage(place->held); identity != 0)
    by_identity_->emplace(identity, place);
}

void Mailbox::Unindex(Waiting::iterator place) {
  const auto [first, last] = by_identity_->equal_range(IdentityOfMessage(place->held));
  const auto found = std::find_if(first, last, [place](const auto& each) { return each.second == place; });
  if (found != last) by_identity_->erase(found);
}

Work Mailbox::TakeOut(Waiting::iterator place) {
  if (place->job.may_overtake) --overtakers_;
  if (by_identity_) Unindex(place);
  Work work = std::move(*place);
  waiting_.erase(place);
  if (empty()) by_identity_.reset();
  return work;
}

}  // namespace parley::router
