// Envelopes between services: encoding, decoding, and a batch's whole way over a link without its transport.
#include <memory>
#include <utility>

#include "bench/micro/workloads.h"
#include "libs/rpc/inbox.h"
#include "libs/rpc/outbox.h"

namespace parley::bench {
namespace {

using link::v1::Frame;
using rpc::Envelope;

constexpr std::size_t kBatch = 16;

Workload Encode() {
  auto frame = std::make_shared<Frame>();
  auto bytes = std::make_shared<std::string>();
  return {"encode_batch_16", [frame, bytes] {
            frame->Clear();
            for (std::size_t i = 0; i < kBatch; ++i) FillChat(*frame->add_envelopes());
            frame->SerializeToString(bytes.get());
            Keep(*bytes);
          }};
}

Workload Decode() {
  Frame frame;
  for (std::size_t i = 0; i < kBatch; ++i) FillChat(*frame.add_envelopes());
  auto bytes = std::make_shared<std::string>(frame.SerializeAsString());
  auto into = std::make_shared<Frame>();
  return {"decode_batch_16", [bytes, into] {
            into->ParseFromString(*bytes);
            Keep(*into);
          }};
}

// Pushed, lent to a frame, sent, checked, owed, acknowledged, settled.
class Journey {
 public:
  Journey() : inbox_(rpc::LinkOptions(), [] {}) { outbox_.SetWindow(8192, 16 << 20); }
  void Once() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      auto envelope = rpc::NewEnvelope();
      FillChat(*envelope);
      outbox_.Push({std::move(envelope), {}});
    }
    outbox_.Lend(sent_, 256, 65536);
    sent_.SerializeToString(&bytes_);
    rpc::Outbox::TakeBack(sent_);
    got_.ParseFromString(bytes_);
    for (const Envelope& envelope : got_.envelopes()) {
      if (inbox_.Check(envelope).empty()) const rpc::Receipt receipt = inbox_.Owe(envelope);
    }
    acks_.Clear();
    inbox_.Tell(acks_);
    for (const auto seq : acks_.acks()) {
      if (auto held = outbox_.Settle(seq)) rpc::Recycle(std::move(held->envelope));
    }
  }

 private:
  rpc::Outbox outbox_;
  rpc::Inbox inbox_;
  Frame sent_;
  Frame got_;
  Frame acks_;
  std::string bytes_;
};

}  // namespace

std::vector<Workload> LinkWorkloads() {
  auto journey = std::make_shared<Journey>();
  return {Encode(), Decode(), {"link_batch_16", [journey] { journey->Once(); }}};
}

}  // namespace parley::bench
