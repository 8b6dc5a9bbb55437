#include "libs/rpc/inbox.h"

#include <algorithm>
#include <utility>

#include "libs/base/recycled.h"

namespace parley::rpc {
namespace {

constexpr std::size_t kManyUntold = 64;

}  // namespace

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
  Debt(Anchor* anchor, std::uint64_t seq, std::uint64_t bytes) : anchor_(anchor), seq_(seq), bytes_(bytes) {
    ++anchor_->users;
  }
  ~Debt() override { anchor_->Drop(); }
  bool severed() const override { return anchor_->inbox == nullptr; }

 private:
  void Settle(RefusalReason refusal) override {
    if (anchor_->inbox != nullptr) anchor_->inbox->OnSettled(seq_, bytes_, refusal);
  }

  Anchor* anchor_;
  std::uint64_t seq_;
  std::uint64_t bytes_;
};

Inbox::Inbox(std::uint32_t window, std::uint64_t window_bytes, std::function<void()> settled)
    : window_(window), window_bytes_(window_bytes), settled_(std::move(settled)), anchor_(new Anchor{this}) {}

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
  const std::uint64_t bytes = envelope.stanza().size();
  ++last_;
  ++outstanding_;
  outstanding_bytes_ += bytes;
  return Receipt(std::make_unique<Debt>(anchor_, last_, bytes));
}

void Inbox::OnSettled(std::uint64_t seq, std::uint64_t bytes, RefusalReason refusal) {
  untold_bytes_ += bytes;
  if (refusal == link::v1::REFUSAL_REASON_UNSPECIFIED) {
    acks_.push_back(seq);
  } else {
    auto& refused = refusals_.emplace_back();
    refused.set_seq(seq);
    refused.set_reason(refusal);
  }
  settled_();
}

bool Inbox::urgent() const {
  const std::size_t many = std::clamp<std::size_t>(window_ / 4, 1, kManyUntold);
  return !refusals_.empty() || acks_.size() >= many || (untold_bytes_ > 0 && untold_bytes_ >= window_bytes_ / 4);
}

void Inbox::Tell(link::v1::Frame& frame) {
  outstanding_ -= untold();
  outstanding_bytes_ -= std::exchange(untold_bytes_, 0);
  frame.mutable_acks()->Add(acks_.begin(), acks_.end());
  for (auto& refusal : refusals_) frame.add_refusals()->Swap(&refusal);
  acks_.clear();
  refusals_.clear();
}

}  // namespace parley::rpc
