#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libs/rpc/link.h"

namespace parley::rpc {

// One direction of a link, the receiver's end: checks that the sender keeps the contract, makes receipts, and gathers
// what they settle.
class Inbox {
 public:
  // `settled` is called when there is something new to tell the sender.
  Inbox(const LinkOptions& options, std::function<void()> settled);
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Why the sender may not send this envelope now; empty: it may, and Owe() comes next.
  std::string Check(const Envelope& envelope) const;
  Receipt Owe(const Envelope& envelope);
  // From now on receipts do nothing.
  void Sever();

  // Acknowledgements and refusals that have not been told.
  std::size_t untold() const { return acks_.size() + refusals_.size(); }
  enum class Urgency {
    kIdle,  // nobody waits for them
    kSoon,
    kNow,  // the sender has said that somebody waits, it may be running out of window, or gets something back
  };
  Urgency urgency() const;
  // So much is untold that it goes at once (link.ack_stanzas, link.ack_bytes).
  bool full() const;
  // Somebody waits for what came until now.
  void Hurry();
  void Tell(link::v1::Frame& frame);
  // Of the sender's window.
  std::size_t outstanding() const { return outstanding_; }

 private:
  struct Anchor;
  class Debt;
  void OnSettled(const Debt& debt, RefusalReason refusal);

  const std::uint32_t window_;
  const std::uint64_t window_bytes_;
  // What the sender keeps for want of an acknowledgement, and sends again should we die, is to be little.
  const std::size_t many_;
  const std::uint64_t large_;
  std::function<void()> settled_;
  Anchor* anchor_;
  std::uint64_t last_ = 0;
  std::uint64_t hurried_to_ = 0;
  std::size_t outstanding_ = 0;
  std::uint64_t outstanding_bytes_ = 0;
  std::uint64_t untold_bytes_ = 0;
  Urgency urgency_ = Urgency::kIdle;  // of what is untold, by what was said of it
  std::vector<std::uint64_t> acks_;
  std::vector<link::v1::Refusal> refusals_;
};

}  // namespace parley::rpc
