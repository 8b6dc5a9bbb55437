#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "libs/rpc/link.h"

namespace parley::rpc {

// One direction of a link, the sender's end: envelopes that wait for the peer's window, and those that it has but has
// not acknowledged. The envelopes stay where they are: a frame borrows them while it is serialised.
class Outbox {
 public:
  void SetWindow(std::uint32_t envelopes, std::uint64_t bytes);

  void Push(Held held);
  // Something waits and the peer's window has room for it.
  bool ready() const { return !queue_.empty() && HasRoom(); }
  // Lends to `frame` what the window allows, at most `envelopes` and, after the first, `bytes`.
  void Lend(link::v1::Frame& frame, std::uint32_t envelopes, std::uint64_t bytes);
  // Once the frame is serialised. The frame keeps none.
  static void TakeBack(link::v1::Frame& frame);

  // The peer settled `seq`. Nothing: it has no such envelope.
  std::optional<Held> Settle(std::uint64_t seq);
  // Everything, in the order pushed.
  std::vector<Held> TakeAll();

  // Number of the last stanza for this session that is waiting or unacknowledged; 0: none.
  std::uint64_t LastFor(std::string_view session) const;
  // Whether nothing for this session is, up to that number, which is one of its. Looks at all where that one is
  // settled.
  bool IsSettledFor(std::string_view session, std::uint64_t number) const;

  // Waiting and unacknowledged.
  std::size_t size() const { return sent_ + queue_.size(); }
  std::size_t queued() const { return queue_.size(); }
  bool congested() const { return congested_; }
  // The peer keeps us from sending what waits.
  bool stalled() const { return !queue_.empty() && !HasRoom(); }
  // True once each time that congestion ends.
  bool Relieve();

  // Numbers: of the envelope pushed last, and of the oldest that is not settled (last + 1 if all are).
  std::uint64_t last() const { return last_; }
  std::uint64_t oldest() const;
  // Of the one that was lent last.
  std::uint64_t last_sent() const { return last_ - queue_.size(); }
  // One of them behind that number may be long in being settled, as nobody waits for it.
  bool HasUnhurriedBehind(std::uint64_t number) const {
    return last_unhurried_ > number && last_unhurried_ >= oldest();
  }
  // Somebody has come to wait for one of these.
  bool IsWaitedForBehind(std::uint64_t number) const;

 private:
  bool HasRoom() const { return sent_ < window_ && sent_bytes_ < window_bytes_; }
  std::optional<Held> Extract(std::uint64_t seq);
  void Trim();

  std::uint32_t window_ = 1;
  std::uint64_t window_bytes_ = 1;
  bool congested_ = false;

  std::uint64_t last_ = 0;
  std::uint64_t last_unhurried_ = 0;
  std::deque<Held> queue_;
  std::uint64_t queued_bytes_ = 0;

  // Unacknowledged: unsettled_[i] is number first_ + i, without an envelope if settled; the front never is.
  std::deque<Held> unsettled_;
  std::uint64_t first_ = 1;
  // What was passed by so much that keeping the gaps would cost more.
  std::map<std::uint64_t, Held> stragglers_;
  std::size_t sent_ = 0;
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace parley::rpc
