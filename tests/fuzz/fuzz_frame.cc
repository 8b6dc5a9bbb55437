// Whatever a peer sends over a link: no crash, and the contract holds. The input is a list of frames, each after its
// length in two bytes; the first byte says whether a valid hello goes first.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "libs/rpc/endpoint.h"
#include "libs/rpc/protocol.h"

namespace {

using namespace parley;
using link::v1::Frame;

constexpr std::uint32_t kWindow = 8;

void Require(bool holds) {
  if (!holds) std::abort();
}

class Silent final : public rpc::Transport {
 public:
  void Write(const Frame& frame) override { Require(frame.IsInitialized()); }
  void Finish() override {}
  void Abort(const std::string&) override { aborted = true; }
  void Detach() override {}
  bool aborted = false;
};

// Holds every second envelope, refuses some.
class Handler final : public rpc::LinkHandler {
 public:
  void OnUp(rpc::Link& up) override {
    for (int i = 0; i < 4; ++i) {
      auto envelope = rpc::NewEnvelope();
      envelope->set_stanza("<message/>");
      up.Send(std::move(envelope), rpc::Receipt([this](rpc::RefusalReason) { ++settled; }));
    }
    up.Ask("?", std::chrono::hours(1), [this](Result<std::string>) { ++answers; });
  }
  void OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) override {
    Require(envelope->seq() == ++last);
    if (last % 2 == 0) receipts.push_back(std::move(receipt));
    if (last % 3 == 0) receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
    rpc::Recycle(std::move(envelope));
  }
  void OnRefused(rpc::Link&, rpc::Held held, rpc::RefusalReason) override { Require(held.envelope != nullptr); }
  void OnRequest(rpc::Link&, const std::string& body, Respond respond) override {
    if (body.size() % 2 == 0) respond(body);
  }
  void OnDraining(rpc::Link&) override { Require(++draining == 1); }
  void OnWritable(rpc::Link&) override {}
  void OnDown(rpc::Link&, std::vector<rpc::Held> held) override {
    Require(settled + static_cast<int>(held.size()) == 4);
    for (auto& one : held) one.receipt.Abandon();
  }

  int settled = 0;
  int answers = 0;
  int draining = 0;
  std::uint64_t last = 0;
  std::vector<rpc::Receipt> receipts;
};

Frame ValidHello() {
  Frame frame;
  auto& hello = *frame.mutable_hello();
  hello.set_protocol(rpc::kProtocols.newest);
  hello.set_service("c2s");
  hello.set_instance("c2s-1");
  hello.set_epoch("e");
  hello.set_window(kWindow);
  hello.set_window_bytes(1 << 16);
  return frame;
}

class Fuzzed {
 public:
  Fuzzed() {
    auto role = std::make_shared<rpc::Endpoint::Role>();
    role->self = {"router", "router-1", "e"};
    role->options.window = kWindow;
    endpoint_ = std::make_shared<rpc::Endpoint>(loop_, role, handler_, nullptr);
    endpoint_->Attach(transport_);
    endpoint_->OnOpen("fuzz");
    endpoint_->OnWritten();
  }
  ~Fuzzed() { endpoint_->OnBroken("the end"); }

  void Receive(Frame frame) {
    const bool over = transport_.aborted;
    const std::uint64_t before = handler_.last;
    endpoint_->OnFrame(frame, frame.ByteSizeLong());
    Turn();
    Require(!over || handler_.last == before);
    Require(handler_.receipts.size() <= kWindow);
    Require(handler_.answers <= 1);
  }
  void Garbage() { endpoint_->OnGarbage("what came is no frame"); }

 private:
  // What was gathered leaves, as on a loop.
  void Turn() {
    loop_.Post([this] { loop_.Stop(); });
    loop_.Run();
    endpoint_->OnWritten();
  }

  Loop loop_;
  Silent transport_;
  Handler handler_;
  std::shared_ptr<rpc::Endpoint> endpoint_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Fuzzed fuzzed;
  if (data[0] % 4 != 0) fuzzed.Receive(ValidHello());
  std::size_t at = 1;
  while (size - at > 2) {
    const std::size_t length = std::min<std::size_t>(data[at] * 256u + data[at + 1], size - at - 2);
    Frame frame;
    if (frame.ParseFromArray(data + at + 2, static_cast<int>(length))) {
      fuzzed.Receive(std::move(frame));
    } else {
      fuzzed.Garbage();
    }
    at += 2 + length;
  }
  return 0;
}
