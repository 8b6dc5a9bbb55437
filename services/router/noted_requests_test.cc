// What a session that is over had not answered.
#include "libs/session/asked.h"
#include "services/router/testing/sessions.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using testing::Edge;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SessionsTest;

// RFC 6120 8.2.3: what a dead edge noted of requests without answer (libs/session/asked.h).
class NotedRequestsTest : public SessionsTest {
 protected:
  void SetUp() override {
    SessionsTest::SetUp();
    Start();
    dying_ = &AddEdge("c2s-2");
    juliet_ = &Online("juliet@home.example/balcony");
    romeo_ = &Online(*dying_, "romeo@home.example/orchard");
    key_ = session::AskedKey("romeo@home.example", romeo_->id());
    juliet_->Take();
  }
  void Ask(const std::string& id) {
    juliet_->Send("<iq type='get' to='romeo@home.example/orchard' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
  // As the edge does.
  void Note(const std::string& id) {
    session::v1::Asked asked;
    asked.set_id(id);
    asked.set_from(juliet_->jid());
    asked.set_origin(juliet_->id());
    asked.set_origin_seq(juliet_->sent());
    Redis({"HSET", key_, id, asked.SerializeAsString()});
  }
  void ExpectBounced(const std::vector<std::string>& ids) {
    RunUntil([&] { return juliet_->received().size() >= ids.size(); });
    Settle();
    std::vector<std::string> bounced;
    for (const auto& stanza : juliet_->Take()) {
      EXPECT_THAT(stanza, AllOf(HasSubstr("<iq type='error'"), HasSubstr("service-unavailable")));
      EXPECT_EQ(Attr(stanza, "from"), "romeo@home.example/orchard");
      bounced.push_back(Attr(stanza, "id"));
    }
    EXPECT_EQ(bounced, ids);
    RunUntil([&] { return Redis({"EXISTS", key_}) == "0"; });
  }

  Edge* dying_ = nullptr;
  Client* juliet_ = nullptr;
  Client* romeo_ = nullptr;
  std::string key_;
};

TEST_F(NotedRequestsTest, AreAnsweredWhenTheirEdgeIsDead) {
  for (const std::string id : {"1", "2", "10"}) {
    Ask(id);
    Note(id);
  }
  Settle();
  KillEdge(*dying_);
  ExpectBounced({"1", "2", "10"});
}

TEST_F(NotedRequestsTest, AreAnsweredWhenAnotherSessionTakesTheResource) {
  Ask("1");
  Note("1");
  Settle();
  KillEdge(*dying_);
  Client& again = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  ExpectBounced({"1"});
  EXPECT_THAT(again.received(), IsEmpty());
}

TEST_F(NotedRequestsTest, AreAnsweredOnceIfTheEdgeHadNotSaidThatItTookThem) {
  dying_->SetHolding(true);
  for (const std::string id : {"1", "2"}) {
    Ask(id);
    if (id == "1") Note(id);
  }
  RunUntil([&] { return romeo_->received().size() == 2; });
  KillEdge(*dying_);
  ExpectBounced({"1", "2"});
}

// Its client's answer may have arrived, or not.
TEST_F(NotedRequestsTest, AnAnswerThatMayHaveArrivedIsGivenOnce) {
  for (const std::string id : {"1", "2"}) {
    Ask(id);
    Note(id);
  }
  Settle();
  romeo_->Send("<iq type='result' to='juliet@home.example/balcony' id='1'/>");
  Redis({"HSET", key_, "a1", std::to_string(romeo_->sent())});
  Redis({"HSET", key_, "a2", std::to_string(romeo_->sent() + 1)});
  Settle();
  EXPECT_THAT(juliet_->Take(), ElementsAre(HasSubstr("result")));
  KillEdge(*dying_);
  ExpectBounced({"2"});
  EXPECT_EQ(edge().repeats(), 1);
}

// Its edge is alive, and has what the session was sent last. Then the home asks Redis for them, which stands still.
TEST_F(NotedRequestsTest, AreAnsweredIfRedisGaveThemTooLate) {
  dying_->SetHolding(true);
  Ask("1");
  RunUntil([&] { return romeo_->received().size() == 1; });
  Note("1");
  edge().Bind("romeo@home.example", "orchard");
  RunUntil([&] { return !romeo_->disconnected().empty(); });
  redis_.Pause();
  dying_->SetHolding(false);
  RunUntil([&] { return !Missing().empty(); });
  redis_.Resume();
  ExpectBounced({"1"});
  RunUntil([&] { return Redis({"KEYS", "parley:a:*"}).empty(); });
}

TEST_F(NotedRequestsTest, AreAnsweredOfAGhost) {
  Note("1");
  dying_->Lose(*romeo_);
  juliet_->Send("<iq type='result' to='romeo@home.example/orchard' id='any'/>");
  ExpectBounced({"1"});
}

// It has answered for its client, whatever its word for the end is.
TEST_F(NotedRequestsTest, AreNotAnsweredWhenTheirEdgeSaysThatTheSessionIsOver) {
  for (const std::string reason : {"closed", "lost", "timeout"}) {
    Client& street = Online(*dying_, "romeo@home.example/street");
    key_ = session::AskedKey("romeo@home.example", street.id());
    Note("1");
    street.Close(reason);
    Settle();
    EXPECT_THAT(juliet_->Take(), IsEmpty()) << reason;
  }
}

}  // namespace
}  // namespace parley::router
