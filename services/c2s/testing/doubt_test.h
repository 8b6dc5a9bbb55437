#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

#include "services/c2s/testing/resume_test.h"

// For tests only: sessions of an edge that is cut off, or was stopped, and may have been claimed from it.
namespace parley::c2s::testing {

inline void Hasten(config::Config& config) {
  config.c2s.lease_ttl = std::chrono::seconds(1);
  config.c2s.lease_refresh = std::chrono::milliseconds(100);
  config.c2s.no_router_timeout = std::chrono::seconds(2);
  config.link.keepalive = std::chrono::milliseconds(500);
  config.link.keepalive_timeout = std::chrono::milliseconds(1000);
}

class LonelyTest : public ResumeTest {
 protected:
  explicit LonelyTest(const EdgeHarness::Change& change = &Hasten) : ResumeTest(change) {}

  // Messages that clients said.
  bool AwaitSaid(int count) {
    return edge_.Eventually(
        [=, this] { return edge_.Metric("parley_c2s_stanzas_in_total{kind=\"message\"}") == count; });
  }
  bool AwaitUnready() {
    return edge_.Eventually([this] { return !edge_.edge().ready(); });
  }
};

// What SIGSTOP does to an edge: its loop does not turn until the lease has lapsed.
class StoppedTest : public LonelyTest {
 protected:
  void StopAWhile() {
    edge_.OnLoop([] { std::this_thread::sleep_for(std::chrono::milliseconds(1500)); });
  }
  // Whose its sessions are remains open until AnswerAsks().
  void HoldAsks() {
    edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  }
  bool AwaitAsked() {
    return edge_.Eventually([this] { return !edge_.router().held_asks.empty(); });
  }
  // And what is asked from now on: it asks once more, should the lease have been taken after the first time.
  void AnswerAsks() {
    edge_.OnLoop([this] {
      edge_.router().hold_asks = false;
      edge_.router().AnswerHeld();
    });
  }
  bool GotMessage() {
    return edge_.OnLoop([this] { return HasMessage(); });
  }
  bool AwaitMessage() {
    return edge_.Eventually([this] { return HasMessage(); });
  }

 private:
  bool HasMessage() {
    const auto& got = edge_.router().got;
    return std::any_of(got.begin(), got.end(),
                       [](const auto& g) { return g.envelope.kind() == link::v1::KIND_MESSAGE; });
  }
};

}  // namespace parley::c2s::testing
