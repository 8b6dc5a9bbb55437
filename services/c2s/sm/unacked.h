#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/session/queue.h"
#include "services/c2s/context.h"
#include "services/c2s/sm/entry.h"

namespace parley::c2s {

// The stanzas that a client has not acknowledged, by number, counted from the beginning of stream management.
class Unacked {
 public:
  explicit Unacked(Context& context) : context_(context) {}
  ~Unacked();
  Unacked(const Unacked&) = delete;
  Unacked& operator=(const Unacked&) = delete;

  std::size_t size() const { return entries_.size(); }
  // Whether there is room for one more.
  bool Fits(std::size_t bytes) const;
  // Numbers: of the last that the client acknowledged, and of the last.
  std::uint64_t acked() const { return acked_; }
  std::uint64_t last() const { return acked_ + entries_.size(); }
  Entry& At(std::uint64_t number) { return entries_[number - acked_ - 1]; }
  const std::vector<Entry>& entries() const { return entries_; }

  // Of an empty one: the next is number `acked` + 1.
  void StartAfter(std::uint64_t acked) { acked_ = acked; }
  // Not in it yet. What came together shares memory: it goes together, too.
  // What the queue need not know is taken out of the envelope. `at`: unix milliseconds.
  Entry Make(link::v1::Envelope& envelope, const session::Mark& mark, std::int64_t at, rpc::Receipt receipt);
  void Push(Entry entry);
  // All numbers are higher by so many.
  void Renumber(std::uint64_t by) { acked_ += by; }
  // The client acknowledged the oldest `count`.
  void Drop(std::uint32_t count);
  // All behind `number`, which may be pushed again in another order.
  std::vector<Entry> TakeBehind(std::uint64_t number);

  // The client has not acknowledged the request `id` of `from`.
  bool Holds(std::string_view id, std::string_view from) const;
  // Requests of others that the client has neither acknowledged nor answered.
  std::vector<link::v1::Envelope> UnansweredRequests() const;
  // The client answered the request `id` of `from`, if it is here.
  void MarkReplied(std::string_view id, std::string_view from);
  // The header of the queue names those.
  void AdoptReplied(const session::v1::QueueHeader& header);
  void FillReplied(session::v1::QueueHeader& header);

 private:
  Entry::Element Encode(link::v1::Envelope& envelope, std::int64_t at);
  char* Room(std::size_t bytes);
  void LetGo();
  void Count(double stanzas, double bytes);

  Context& context_;
  std::vector<Entry> entries_;  // numbers acked_ + 1 .. last()
  std::size_t bytes_ = 0;       // of their stanzas
  std::uint64_t acked_ = 0;
  Page page_;  // that the next elements go to
  std::size_t page_bytes_ = 0;
  std::size_t page_used_ = 0;
  bool any_replied_ = false;  // perhaps
};

}  // namespace parley::c2s
