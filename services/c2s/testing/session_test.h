#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "services/c2s/testing/client.h"

// For tests only: a bound session against a router's real link: what goes up, what comes down.
namespace parley::c2s::testing {

inline constexpr char kToJuliet[] = "<message to='juliet@example.org' type='chat' id='m'><body>hi</body></message>";

class SessionTest : public ::testing::Test {
 protected:
  // Envelopes of the client's stanzas at the router, without the session's controls.
  std::size_t Arrived() {
    return edge_.OnLoop([this] { return edge_.router().got.size(); });
  }
  bool AwaitArrived(std::size_t count) {
    return edge_.Eventually([&] { return edge_.router().got.size() >= count; });
  }
  link::v1::Envelope Arrival(std::size_t index) {
    return edge_.OnLoop([&] { return edge_.router().got.at(index).envelope; });
  }
  std::string SessionId(std::size_t bind = 0) {
    return edge_.OnLoop([&] { return edge_.router().asks.at(bind).bind().session(); });
  }
  void Deliver(const std::string& session, const std::string& stanza,
               const std::function<void(link::v1::Envelope&)>& change = {}) {
    edge_.OnLoop([&] { edge_.router().Deliver(session, stanza, change); });
  }

  EdgeHarness edge_;
};

}  // namespace parley::c2s::testing
