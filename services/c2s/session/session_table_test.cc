// Several sessions of one id, as one was resumed here after it had ended or gone elsewhere.
#include "services/c2s/session/session_table.h"

#include <memory>
#include <string>

#include "services/c2s/session/session.h"
#include "services/c2s/testing/doubt_test.h"

namespace parley::c2s::testing {
namespace {

class SessionTableTest : public StoppedTest {
 protected:
  SessionTableTest() {
    edge_.OnLoop([this] { edge_.router().hold = true; });
  }
  // On the loop's thread: both end, and none is forgotten.
  std::shared_ptr<Session> Ending(const std::string& id) {
    const auto session = Binding(id);
    session->departure().LetGo();
    return session;
  }
  std::shared_ptr<Session> EndingUnsaid(const std::string& id) {
    const auto session = Binding(id);
    session->departure().OnAsked();
    session->departure().LetGo();
    return session;
  }
  // A client whose session of this id was left by another edge.
  void ResumeLeft(Client& client) {
    client.LogIn();
    client.Send("<resume xmlns='urn:xmpp:sm:3' previd='left' h='0'/>");
    client.Until("<resumed");
  }

 private:
  std::shared_ptr<Session> Binding(const std::string& id) {
    const Identity romeo{*xmpp::Jid::Parse("romeo@example.org"), "PLAIN"};
    auto& context = edge_.edge().context();
    auto session = std::make_shared<Session>(context, nullptr, romeo, id);
    context.sessions.Add(session);
    return session;
  }
};

TEST_F(SessionTableTest, OfThoseThatEndTheOneIsFoundThatMayHoldSomething) {
  edge_.OnLoop([this] {
    const auto& sessions = edge_.edge().context().sessions;
    const auto first = EndingUnsaid("first");
    Ending("first");
    EXPECT_EQ(sessions.FindEnding("first"), first.get());
    Ending("second");
    const auto second = EndingUnsaid("second");
    EXPECT_EQ(sessions.FindEnding("second"), second.get());
    const auto only = Ending("only");
    EXPECT_EQ(sessions.FindEnding("only"), only.get());
    EXPECT_EQ(sessions.FindEnding("none"), nullptr);
    EXPECT_EQ(sessions.ending(), 5u);
    for (const auto& asked : {first, second}) asked->departure().OnAnswered();
  });
}

// That one has ended says nothing of the other.
TEST_F(SessionTableTest, ASessionInDoubtSaysSoThoughOneOfItsIdIsEnding) {
  Leave([](session::v1::QueueHeader&) {}, {});
  Client before(edge_.port());
  ResumeLeft(before);
  before.Send("</stream:stream>");
  before.Rest();
  ASSERT_TRUE(AwaitEnd("closed"));
  Client client(edge_.port());
  ResumeLeft(client);
  ASSERT_TRUE(AwaitSessions("ending", 1));
  HoldAsks();
  StopAWhile();
  ASSERT_TRUE(AwaitAsked());
  Deliver("left", Message("1"), [](link::v1::Envelope& envelope) { envelope.set_kept(true); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused.front().second; }),
            link::v1::REFUSAL_REASON_OVERLOADED);
  ASSERT_TRUE(AwaitSessions("ending", 1));
}

}  // namespace
}  // namespace parley::c2s::testing
