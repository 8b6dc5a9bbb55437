#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/ring.h"
#include "libs/rpc/server.h"
#include "libs/rpc/testing.h"
#include "libs/telemetry/metrics.h"
#include "tests/support/redis_server.h"

// For tests of the ring: real links to routers that come and go.
namespace parley::rpc::testing {

using namespace std::chrono_literals;
using Sequence = std::vector<std::uint64_t>;

// A router as the ring sees it; it can die and come back at the same address.
class Router : public Recorder {
 public:
  Router(Loop& loop, std::string instance) : loop_(loop), instance_(std::move(instance)) {}
  void Start(const std::string& host = "127.0.0.1", Standing standing = Standing::kServing) {
    server_ = std::make_unique<Server>(loop_, Self{"router", instance_, "epoch-" + std::to_string(++starts_)},
                                       host + ":" + std::to_string(port_), options, Methods(), this, standing);
  }
  void Die() {
    server_.reset();
    links.clear();
    for (auto& receipt : receipts) receipt = Receipt();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  const std::string& instance() const { return instance_; }
  Server& server() { return *server_; }

  LinkOptions options;  // from the next start on

 private:
  Loop& loop_;
  std::string instance_;
  const int port_ = test::FreePort();
  int starts_ = 0;
  std::unique_ptr<Server> server_;
};

// The owner of the ring.
class Edge : public Ring::Owner {
 public:
  void OnEnvelope(Link&, std::unique_ptr<Envelope> envelope, Receipt) override {
    got.push_back(envelope->origin_seq());
  }
  void OnRequest(Link&, const std::string& body, LinkHandler::Respond respond) override {
    asked.push_back(body);
    if (answers) respond("edge: " + body);
  }
  void OnUndeliverable(Held held, RefusalReason reason) override {
    undeliverable.emplace_back(std::move(held), reason);
  }
  void OnAvailability(bool available) override {
    availability.push_back(available);
    if (on_availability) on_availability(available);
  }
  void OnWritable() override { ++writable; }
  bool MayGo(const Envelope&) override { return may_go; }

  bool may_go = true;
  bool answers = true;
  std::vector<std::string> asked;
  std::vector<std::uint64_t> got;
  std::vector<std::pair<Held, RefusalReason>> undeliverable;
  std::vector<bool> availability;
  std::function<void(bool)> on_availability;
  int writable = 0;
};

class RingTest : public ::testing::Test {
 protected:
  // Routers have an address from the start, whether they run or not.
  void MakeRouters(int count) {
    for (int i = 1; i <= count; ++i) {
      routers_.push_back(std::make_unique<Router>(loop_, "router-" + std::to_string(i)));
    }
  }
  // Each of `up` is linked and serves.
  void MakeRing(const std::vector<Router*>& up, Ring::Local local = {}, Self self = {"c2s", "c2s-1", "e"}) {
    Connect(up, std::move(local), std::move(self));
    RunUntil(loop_, [&] { return up.empty() || ring_->available(); });
  }
  // Each of `up` is linked.
  void Connect(const std::vector<Router*>& up, Ring::Local local = {}, Self self = {"c2s", "c2s-1", "e"}) {
    for (Router* router : up) router->Start();
    options_.service = "router";
    if (options_.discovery.targets.empty()) {
      for (const auto& router : routers_) options_.discovery.targets.push_back(router->address());
    }
    ring_ = std::make_unique<Ring>(loop_, std::move(self), options_, edge_, std::move(local));
    RunUntil(loop_, [&] {
      const bool linked = std::all_of(up.begin(), up.end(), [](Router* router) { return !router->links.empty(); });
      return linked && ring_->links().size() == up.size();
    });
  }
  Router& router(int index) { return *routers_.at(index); }
  // A key that the ring places on this router now.
  std::string KeyOn(const Router& router) {
    for (int i = 0;; ++i) {
      std::string key = "user" + std::to_string(i) + "@home";
      if (ring_->InstanceFor(key) == router.instance()) return key;
    }
  }
  void Send(const std::string& key, std::uint64_t number) { ring_->Send(key, MakeEnvelope(key, number), {}); }
  static std::vector<std::uint64_t> Numbers(const Router& router, const std::string& key) {
    std::vector<std::uint64_t> numbers;
    for (const auto& got : router.got) {
      if (got.from == key) numbers.push_back(got.number);
    }
    return numbers;
  }

  bool Measured(const std::string& line) const { return metrics_.Text().find(line) != std::string::npos; }

  telemetry::Metrics metrics_;  // of the ring
  Loop loop_;
  Edge edge_;
  std::vector<std::unique_ptr<Router>> routers_;
  Ring::Options options_ = QuickToDial();
  std::unique_ptr<Ring> ring_;

 private:
  Ring::Options QuickToDial() {
    Ring::Options options;
    options.link.metrics = &metrics_;
    options.link.reconnect_min = 10ms;
    options.link.reconnect_max = 20ms;
    return options;
  }
};

}  // namespace parley::rpc::testing
