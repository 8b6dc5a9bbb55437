// When clients that send on are answered (XEP-0198 section 4).
#include "services/c2s/sm/acks.h"

#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {
namespace {

// Its router takes each stanza at once.
class PaceTest : public SmTest {
 protected:
  explicit PaceTest(std::chrono::milliseconds pace = std::chrono::seconds(10))
      : SmTest([pace](config::Config& config) {
          config.c2s.sm_ack_pace = pace;
          config.c2s.sm_store_delay = std::chrono::milliseconds(10);
        }) {}

  // It has an answer, asks again, and sends on.
  void Stream(Client& client) {
    Enable(client);
    client.Send(kAsk);
    EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    client.Send("<message to='juliet@example.org'/>" + std::string(kAsk) + "<message to='juliet@example.org'/>");
  }
};

TEST_F(PaceTest, WhoSendsOnGetsOneAnswerForMany) {
  Client client(edge_.port());
  Stream(client);
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().header.handled() == 2; }));
  Deliver(SessionId(), Message("1"));
  EXPECT_EQ(client.Until(Message("1")), Message("1"));
  // Now it may be waiting.
  client.Send(kAsk);
  const std::string answer = "<a xmlns='urn:xmpp:sm:3' h='2'/>";
  EXPECT_EQ(client.Until(answer + answer), answer + answer);
}

class ShortPaceTest : public PaceTest {
 protected:
  ShortPaceTest() : PaceTest(std::chrono::milliseconds(200)) {}
};

TEST_F(ShortPaceTest, WhoSentOnAndStopsGetsItsAnswer) {
  Client client(edge_.port());
  Stream(client);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
}

class LongerPaceTest : public PaceTest {
 protected:
  LongerPaceTest() : PaceTest(std::chrono::seconds(1)) {}
};

// As between two bursts: it asks behind each, and waits for nothing.
TEST_F(LongerPaceTest, WhoSentOnIsNotTakenToWaitWhenItPauses) {
  Client client(edge_.port());
  Stream(client);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  client.Send("<message to='juliet@example.org'/>" + std::string(kAsk));
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().header.handled() == 3; }));
  Deliver(SessionId(), Message("1"));
  EXPECT_EQ(client.Until(Message("1")), Message("1"));
  EXPECT_THAT(client.Until("h='3'/>"), ::testing::HasSubstr("h='3'/>"));
  // It waited this time.
  client.Send("<message to='juliet@example.org'/>" + std::string(kAsk));
  EXPECT_THAT(client.Until("h='4'/>"), ::testing::HasSubstr("h='4'/>"));
}

}  // namespace
}  // namespace parley::c2s::testing
