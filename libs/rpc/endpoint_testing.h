#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/endpoint.h"
#include "libs/rpc/protocol.h"
#include "libs/rpc/testing.h"
#include "libs/telemetry/metrics.h"

// For tests of one end of a link, whose peer is the test itself; no gRPC.
namespace parley::rpc::testing {

using namespace std::chrono_literals;
using link::v1::Frame;

// Keeps what is written; a write ends when the test says so.
class FakeTransport : public Transport {
 public:
  explicit FakeTransport(Loop& loop) : loop_(loop) {}
  void Write(const Frame& frame) override {
    Frame copy;
    copy.ParseFromString(frame.SerializeAsString());
    written.push_back(std::move(copy));
    if (stuck) return;
    loop_.Post([this] {
      if (events != nullptr) events->OnWritten();
    });
  }
  void Finish() override { finished = true; }
  void Abort(const std::string& reason) override {
    if (!aborted) aborted = reason;
  }
  void Detach() override { events = nullptr; }

  // All envelopes, acks and so on that were written.
  Frame All() const {
    Frame all;
    for (const auto& frame : written) all.MergeFrom(frame);
    return all;
  }

  TransportEvents* events = nullptr;
  std::vector<Frame> written;
  bool stuck = false;
  bool finished = false;
  std::optional<std::string> aborted;

 private:
  Loop& loop_;
};

class EndpointTest : public ::testing::Test {
 protected:
  void Open(LinkOptions options = {}, const std::string& expected_service = {}) {
    auto role = std::make_shared<Endpoint::Role>();
    role->self = {"router", "router-1", "e1"};
    role->options = options;
    role->metrics = LinkMetrics::Make(options.metrics, "peer");
    role->expected_service = expected_service;
    endpoint_ = std::make_shared<Endpoint>(loop_, role, handler_, [this](const std::string&) { ended_ = true; });
    transport_.events = endpoint_.get();
    endpoint_->Attach(transport_);
    endpoint_->OnOpen("here");
  }
  static Frame Hello(std::uint32_t protocol = kProtocols.newest, std::uint32_t window = 100) {
    Frame frame;
    auto& hello = *frame.mutable_hello();
    hello.set_protocol(protocol);
    hello.set_service("c2s");
    hello.set_instance("c2s-1");
    hello.set_epoch("e2");
    hello.set_window(window);
    hello.set_window_bytes(1 << 20);
    return frame;
  }
  void Up(LinkOptions options = {}, std::uint32_t window = 100) {
    Open(options);
    Receive(Hello(kProtocols.newest, window));
    ASSERT_EQ(handler_.links.size(), 1u);
  }
  void Receive(Frame frame) { endpoint_->OnFrame(frame, frame.ByteSizeLong()); }
  static Frame WithEnvelopes(std::uint64_t first, int count) {
    Frame frame;
    for (int i = 0; i < count; ++i) {
      auto envelope = MakeEnvelope("romeo@home", first + i);
      envelope->set_seq(first + i);
      frame.mutable_envelopes()->AddAllocated(envelope.release());
    }
    return frame;
  }
  static Frame WithAck(std::uint64_t seq) {
    Frame frame;
    frame.add_acks(seq);
    return frame;
  }

  telemetry::Metrics metrics_;  // outlives the endpoint
  Loop loop_;
  Recorder handler_;
  FakeTransport transport_{loop_};
  std::shared_ptr<Endpoint> endpoint_;
  bool ended_ = false;
};

}  // namespace parley::rpc::testing
