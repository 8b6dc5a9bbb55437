// A bound session against a router's real link: what goes up, what comes down.
#include "services/c2s/session/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;
using ::testing::HasSubstr;
using ::testing::Not;

class SessionTest : public ::testing::Test {
 protected:
  // Envelopes of the client's stanzas at the router, without the session's controls.
  std::size_t Arrived() {
    return edge_.OnLoop([this] { return edge_.router().got.size(); });
  }
  bool AwaitArrived(std::size_t count) {
    return edge_.Eventually([&] { return edge_.router().got.size() >= count; });
  }
  Envelope Arrival(std::size_t index) {
    return edge_.OnLoop([&] { return edge_.router().got.at(index).envelope; });
  }
  std::string SessionId(std::size_t bind = 0) {
    return edge_.OnLoop([&] { return edge_.router().asks.at(bind).bind().session(); });
  }
  void Deliver(const std::string& session, const std::string& stanza,
               const std::function<void(Envelope&)>& change = {}) {
    edge_.OnLoop([&] { edge_.router().Deliver(session, stanza, change); });
  }

  EdgeHarness edge_;
};

TEST_F(SessionTest, LogsInBindsAndExchangesStanzas) {
  Client client(edge_.port());
  EXPECT_EQ(client.Start(), "romeo@example.org/orchard");
  client.Send("<message to='juliet@example.org/balcony' id='m1'><body>hi</body></message>");
  ASSERT_TRUE(AwaitArrived(1));
  const Envelope up = Arrival(0);
  EXPECT_EQ(up.leg(), link::v1::LEG_INBOUND);
  EXPECT_EQ(up.from(), "romeo@example.org/orchard");
  EXPECT_EQ(up.to(), "juliet@example.org/balcony");
  EXPECT_EQ(up.origin(), SessionId());
  EXPECT_EQ(up.origin_seq(), 1u);
  EXPECT_THAT(up.stanza(), HasSubstr("from='romeo@example.org/orchard'"));
  Deliver(SessionId(), "<message from='juliet@example.org/balcony'><body>ho</body></message>");
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<body>ho</body>"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().settled == 1; }));
}

}  // namespace
}  // namespace parley::c2s::testing
