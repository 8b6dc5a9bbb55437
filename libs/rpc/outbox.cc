#include "libs/rpc/outbox.h"

#include <algorithm>
#include <utility>

namespace parley::rpc {
namespace {

// Routing fields, roughly; only to keep frames near their size.
constexpr std::uint64_t kHeaderBytes = 160;

std::uint64_t Bytes(const Envelope& envelope) { return envelope.stanza().size(); }

bool IsFor(std::string_view session, const Held& held) {
  return held.envelope && held.envelope->kind() != link::v1::KIND_CONTROL && held.envelope->session() == session;
}

}  // namespace

void Outbox::SetWindow(std::uint32_t envelopes, std::uint64_t bytes) {
  window_ = std::max<std::uint32_t>(envelopes, 1);
  window_bytes_ = std::max<std::uint64_t>(bytes, 1);
}

void Outbox::Push(Held held) {
  held.envelope->set_seq(++last_);
  if (held.envelope->unhurried()) last_unhurried_ = last_;
  queued_bytes_ += Bytes(*held.envelope);
  queue_.push_back(std::move(held));
  if (size() >= window_ || sent_bytes_ + queued_bytes_ >= window_bytes_) congested_ = true;
}

void Outbox::Lend(link::v1::Frame& frame, std::uint32_t envelopes, std::uint64_t bytes) {
  auto* borrowed = frame.mutable_envelopes();
  std::uint64_t used = 0;
  while (ready() && envelopes-- > 0) {
    Held& held = queue_.front();
    const std::uint64_t size = Bytes(*held.envelope);
    used += size + kHeaderBytes;
    if (used > bytes && !borrowed->empty()) break;
    borrowed->UnsafeArenaAddAllocated(held.envelope.get());
    ++sent_;
    sent_bytes_ += size;
    queued_bytes_ -= size;
    if (unsettled_.empty()) first_ = held.envelope->seq();
    unsettled_.push_back(std::move(held));
    queue_.pop_front();
  }
}

void Outbox::TakeBack(link::v1::Frame& frame) {
  auto* borrowed = frame.mutable_envelopes();
  if (!borrowed->empty()) borrowed->UnsafeArenaExtractSubrange(0, borrowed->size(), nullptr);
}

std::optional<Held> Outbox::Settle(std::uint64_t seq) {
  auto held = Extract(seq);
  if (!held) return std::nullopt;
  --sent_;
  sent_bytes_ -= Bytes(*held->envelope);
  return held;
}

std::optional<Held> Outbox::Extract(std::uint64_t seq) {
  if (seq >= first_ && seq - first_ < unsettled_.size()) {
    Held& slot = unsettled_[seq - first_];
    if (!slot.envelope) return std::nullopt;
    Held held = std::move(slot);
    Trim();
    return held;
  }
  const auto straggler = stragglers_.find(seq);
  if (straggler == stragglers_.end()) return std::nullopt;
  Held held = std::move(straggler->second);
  stragglers_.erase(straggler);
  return held;
}

void Outbox::Trim() {
  const std::size_t limit = 2 * std::size_t{window_} + 64;
  while (!unsettled_.empty()) {
    Held& front = unsettled_.front();
    if (front.envelope) {
      if (unsettled_.size() <= limit) return;
      stragglers_.emplace_hint(stragglers_.end(), first_, std::move(front));
    }
    unsettled_.pop_front();
    ++first_;
  }
}

std::vector<Held> Outbox::TakeAll() {
  std::vector<Held> all;
  all.reserve(size());
  for (auto& [seq, held] : stragglers_) all.push_back(std::move(held));
  for (auto& held : unsettled_) {
    if (held.envelope) all.push_back(std::move(held));
  }
  for (auto& held : queue_) all.push_back(std::move(held));
  stragglers_.clear();
  unsettled_.clear();
  queue_.clear();
  sent_ = sent_bytes_ = queued_bytes_ = 0;
  congested_ = false;
  return all;
}

std::uint64_t Outbox::LastFor(std::string_view session) const {
  const auto wanted = [session](const Held& held) { return IsFor(session, held); };
  for (const auto* part : {&queue_, &unsettled_}) {
    const auto found = std::find_if(part->rbegin(), part->rend(), wanted);
    if (found != part->rend()) return found->envelope->seq();
  }
  std::uint64_t last = 0;
  for (const auto& [seq, held] : stragglers_) {
    if (wanted(held)) last = seq;
  }
  return last;
}

bool Outbox::IsWaitedForBehind(std::uint64_t number) const {
  const auto waited_for = [number](const Held& held) {
    return held.envelope && held.envelope->seq() > number && held.envelope->unhurried() && !held.receipt.unhurried();
  };
  const auto before = std::min<std::uint64_t>(number < first_ ? 0 : number - first_ + 1, unsettled_.size());
  const auto behind = unsettled_.begin() + static_cast<std::ptrdiff_t>(before);
  return std::any_of(behind, unsettled_.end(), waited_for) || std::any_of(queue_.begin(), queue_.end(), waited_for) ||
         std::any_of(stragglers_.begin(), stragglers_.end(), [&](const auto& one) { return waited_for(one.second); });
}

bool Outbox::IsSettledFor(std::string_view session, std::uint64_t number) const {
  if (number < oldest()) return true;
  const bool waits = number > last_sent() || stragglers_.contains(number);
  if (waits || (number >= first_ && unsettled_[number - first_].envelope)) return false;
  const auto open = [session, number](const Held& held) {
    return IsFor(session, held) && held.envelope->seq() <= number;
  };
  return std::none_of(unsettled_.begin(), unsettled_.end(), open) && std::none_of(queue_.begin(), queue_.end(), open) &&
         std::none_of(stragglers_.begin(), stragglers_.end(), [&](const auto& one) { return open(one.second); });
}

bool Outbox::Relieve() {
  if (!congested_) return false;
  const bool few = size() <= std::size_t{window_} * 3 / 4;
  const bool small = sent_bytes_ + queued_bytes_ <= window_bytes_ / 4 * 3;
  congested_ = !few || !small;
  return !congested_;
}

std::uint64_t Outbox::oldest() const {
  if (!stragglers_.empty()) return stragglers_.begin()->first;
  if (!unsettled_.empty()) return first_;
  return queue_.empty() ? last_ + 1 : queue_.front().envelope->seq();
}

}  // namespace parley::rpc
