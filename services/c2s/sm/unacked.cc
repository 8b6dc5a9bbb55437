#include "services/c2s/sm/unacked.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/c2s/metrics.h"

namespace parley::c2s {
namespace {

// Who takes it out of the queue gives it new ones.
void ForgetWay(link::v1::Envelope& envelope) {
  envelope.clear_seq();
  envelope.clear_leg();
  envelope.clear_session();
}

}  // namespace

Unacked::~Unacked() { Count(-static_cast<double>(entries_.size()), -static_cast<double>(bytes_)); }

void Unacked::Count(double stanzas, double bytes) {
  context_.metrics.sm_unacknowledged.Add(stanzas);
  context_.metrics.sm_unacknowledged_bytes.Add(bytes);
}

bool Unacked::Fits(std::size_t bytes) const {
  return entries_.size() < context_.config.c2s.sm_max_stanzas && bytes_ + bytes <= context_.config.c2s.sm_max_bytes;
}

Entry Unacked::Make(link::v1::Envelope& envelope, const session::Mark& mark, std::int64_t at, rpc::Receipt receipt) {
  ForgetWay(envelope);
  auto element = Encode(envelope, at);
  return {envelope, mark, std::move(element), std::move(receipt)};
}

Entry::Element Unacked::Encode(link::v1::Envelope& envelope, std::int64_t at) {
  const session::Encoding encoding(envelope, at, 0);
  char* const bytes = Room(encoding.size());
  encoding.Write(bytes);
  return {page_, {bytes, encoding.size()}};
}

// No page is larger than what waits already: a client that acknowledges at once has no memory that it does not use.
char* Unacked::Room(std::size_t bytes) {
  if (page_bytes_ - page_used_ < bytes) {
    page_bytes_ = std::max(bytes, std::min(bytes_, Page::kWhole));
    page_ = Page(page_bytes_);
    page_used_ = 0;
  }
  return page_.bytes() + std::exchange(page_used_, page_used_ + bytes);
}

void Unacked::Push(Entry entry) {
  const std::size_t bytes = entry.stanza().size();
  bytes_ += bytes;
  Count(1, static_cast<double>(bytes));
  entries_.push_back(std::move(entry));
}

void Unacked::Drop(std::uint32_t count) {
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < count; ++i) bytes += entries_[i].stanza().size();
  entries_.erase(entries_.begin(), entries_.begin() + count);
  if (entries_.empty()) LetGo();
  bytes_ -= bytes;
  acked_ += count;
  Count(-static_cast<double>(count), -static_cast<double>(bytes));
}

// Who waits for nothing has nothing on the heap.
void Unacked::LetGo() {
  std::vector<Entry>().swap(entries_);
  page_ = Page();
  page_bytes_ = page_used_ = 0;
}

std::vector<Entry> Unacked::TakeBehind(std::uint64_t number) {
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(number - acked_);
  std::vector<Entry> taken(std::make_move_iterator(first), std::make_move_iterator(entries_.end()));
  entries_.erase(first, entries_.end());
  std::size_t bytes = 0;
  for (const Entry& entry : taken) bytes += entry.stanza().size();
  bytes_ -= bytes;
  Count(-static_cast<double>(taken.size()), -static_cast<double>(bytes));
  return taken;
}

bool Unacked::Holds(std::string_view id, std::string_view from) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.IsRequest(id, from); });
}

std::vector<link::v1::Envelope> Unacked::UnansweredRequests() const {
  std::vector<link::v1::Envelope> requests;
  for (const Entry& entry : entries_) {
    if (entry.unanswered()) requests.push_back(entry.Envelope());
  }
  return requests;
}

void Unacked::MarkReplied(std::string_view id, std::string_view from) {
  const auto asked = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.unanswered() && entry.IsRequest(id, from); });
  if (asked == entries_.end()) return;
  asked->SetReplied();
  any_replied_ = true;
}

void Unacked::AdoptReplied(const session::v1::QueueHeader& header) {
  for (const std::uint64_t number : header.replied()) {
    if (number <= acked_ || number > last()) continue;
    At(number).SetReplied();
    any_replied_ = true;
  }
}

void Unacked::FillReplied(session::v1::QueueHeader& header) {
  any_replied_ = any_replied_ && !entries_.empty();
  for (std::uint64_t number = acked_ + 1; any_replied_ && number <= last(); ++number) {
    if (At(number).replied()) header.add_replied(number);
  }
}

}  // namespace parley::c2s
