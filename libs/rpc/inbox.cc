#include "libs/rpc/inbox.h"

#include <algorithm>
#include <utility>

#include "libs/base/recycled.h"

namespace parley::rpc {
// Outlives the inbox as long as there are receipts.
struct Inbox::Anchor {
  Inbox* inbox;
  std::uint64_t users = 1;

  void Drop() {
    if (--users == 0) delete this;
  }
};

class Inbox::Debt final : public Receipt::Debt, public Recycled<Inbox::Debt> {
 public:
  Debt(Anchor* anchor, std::uint64_t seq, const Envelope& envelope)
      : anchor_(anchor),
        seq_(seq),
        bytes_(static_cast<std::uint32_t>(envelope.stanza().size())),
        sent_unhurried_(envelope.unhurried()) {
    ++anchor_->users;
  }
  ~Debt() override { anchor_->Drop(); }
  bool severed() const override { return anchor_->inbox == nullptr; }
  bool unhurried() const override { return urgency() == Urgency::kIdle; }

  Urgency urgency() const {
    if (!sent_unhurried_) return Urgency::kSoon;
    return anchor_->inbox != nullptr && seq_ <= anchor_->inbox->hurried_to_ ? Urgency::kNow : Urgency::kIdle;
  }
  std::uint64_t seq() const { return seq_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  void Settle(RefusalReason refusal) override {
    if (anchor_->inbox != nullptr) anchor_->inbox->OnSettled(*this, refusal);
  }

  Anchor* anchor_;
  std::uint64_t seq_;
  std::uint32_t bytes_;  // protobuf has none larger
  bool sent_unhurried_;  // whether that holds yet, urgency() says
};

// The sender must not run out of window for want of an acknowledgement, either.
Inbox::Inbox(const LinkOptions& options, std::function<void()> settled)
    : window_(options.window),
      window_bytes_(options.window_bytes),
      many_(std::clamp<std::size_t>(window_ / 4, 1, options.ack_stanzas)),
      large_(std::min(window_bytes_ / 4, options.ack_bytes)),
      settled_(std::move(settled)),
      anchor_(new Anchor{this}) {}

Inbox::~Inbox() { Sever(); }

void Inbox::Sever() {
  if (anchor_ == nullptr) return;
  anchor_->inbox = nullptr;
  std::exchange(anchor_, nullptr)->Drop();
}

std::string Inbox::Check(const Envelope& envelope) const {
  if (envelope.seq() != last_ + 1) {
    return "envelope number " + std::to_string(envelope.seq()) + " after " + std::to_string(last_);
  }
  if (outstanding_ >= window_) return "more envelopes than our window";
  // The one that exceeds it is allowed: a stanza may be larger than a window.
  if (outstanding_bytes_ >= window_bytes_) return "more bytes than our window";
  return {};
}

Receipt Inbox::Owe(const Envelope& envelope) {
  ++last_;
  ++outstanding_;
  outstanding_bytes_ += envelope.stanza().size();
  return Receipt(std::make_unique<Debt>(anchor_, last_, envelope));
}

void Inbox::OnSettled(const Debt& debt, RefusalReason refusal) {
  untold_bytes_ += debt.bytes();
  urgency_ = std::max(urgency_, debt.urgency());
  if (refusal == link::v1::REFUSAL_REASON_UNSPECIFIED) {
    acks_.push_back(debt.seq());
  } else {
    auto& refused = refusals_.emplace_back();
    refused.set_seq(debt.seq());
    refused.set_reason(refusal);
  }
  settled_();
}

void Inbox::Hurry() {
  hurried_to_ = last_;
  if (untold() > 0) urgency_ = Urgency::kNow;
}

bool Inbox::full() const { return acks_.size() >= many_ || (untold_bytes_ > 0 && untold_bytes_ >= large_); }

Inbox::Urgency Inbox::urgency() const { return full() || !refusals_.empty() ? Urgency::kNow : urgency_; }

void Inbox::Tell(link::v1::Frame& frame) {
  urgency_ = Urgency::kIdle;
  outstanding_ -= untold();
  outstanding_bytes_ -= std::exchange(untold_bytes_, 0);
  frame.mutable_acks()->Add(acks_.begin(), acks_.end());
  for (auto& refusal : refusals_) frame.add_refusals()->Swap(&refusal);
  acks_.clear();
  refusals_.clear();
}

}  // namespace parley::rpc
