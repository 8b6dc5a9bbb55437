// What nobody waits for is acknowledged late (ClusterTest: hours later), until somebody does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "services/router/testing/cluster.h"

namespace parley::router::testing {
namespace {

class HurryTest : public ClusterTest {
 protected:
  // On an edge of her own.
  Client& Juliet() {
    other_ = &AddEdge("c2s-2");
    return Online(*other_, "juliet@home.example/balcony");
  }
  void Say(Client& client, const std::string& to) {
    client.Send("<message type='chat' to='" + to + "'><body>hi</body></message>");
  }

  Edge* other_ = nullptr;
};

TEST_F(HurryTest, GoesOnToTheEdgesThatHaveWhatCame) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Juliet();
  Say(romeo, juliet.jid());
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_EQ(edge().unacknowledged(), 1u);
  edge().Hurry();
  RunUntil([&] { return edge().unacknowledged() == 0; });
}

TEST_F(HurryTest, GoesOnWithCopies) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Juliet();
  Client& second = Online(*other_, "juliet@home.example/hall");
  juliet.Take();
  Say(romeo, "juliet@home.example");
  RunUntil([&] { return !juliet.received().empty() && !second.received().empty(); });
  EXPECT_EQ(edge().unacknowledged(), 1u);
  edge().Hurry();
  RunUntil([&] { return edge().unacknowledged() == 0; });
}

// As for messages of clients with stream management.
TEST_F(HurryTest, NobodyHasToHurryCopiesOfWhatSomebodyWaitsFor) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Juliet();
  Client& second = Online(*other_, "juliet@home.example/hall");
  juliet.Take();
  edge().SetAsked(true);
  Say(romeo, "juliet@home.example");
  RunUntil([&] { return !juliet.received().empty() && !second.received().empty(); });
  RunUntil([&] { return edge().unacknowledged() == 0; });
}

TEST_F(HurryTest, DoesNotGoOnToEdgesThatHaveNothingOfIt) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Juliet();
  Edge& third = AddEdge("c2s-3");
  Edge& fourth = AddEdge("c2s-4");
  Client& nurse = Online(third, "nurse@home.example/hall");
  Client& benvolio = Online(fourth, "benvolio@home.example/street");
  for (int i = 0; i < 3; ++i) Say(nurse, benvolio.jid());
  Say(romeo, juliet.jid());
  RunUntil([&] { return !juliet.received().empty() && benvolio.received().size() == 3; });
  edge().Hurry();
  RunUntil([&] { return edge().unacknowledged() == 0; });
  // Time for the other edge to answer, had it been hurried.
  for (int i = 0; i < 10; ++i) {
    juliet.Take();
    juliet.Send("<iq type='get' id='ping' to='home.example'><ping xmlns='urn:xmpp:ping'/></iq>");
    RunUntil([&] { return !juliet.received().empty(); });
  }
  // Of what went to the edges; the last answer may be another.
  EXPECT_GE(Metric("parley_link_unacknowledged_envelopes{link=\"accepted\"}"), 3);
}

TEST_F(HurryTest, GoesOnThroughOtherRouters) {
  Configure(2);
  Client& romeo = Online("romeo@home.example/orchard");
  for (int i = 0; i < 10; ++i) Say(romeo, "nobody" + std::to_string(i) + "@home.example");
  RunUntil([&] { return romeo.received().size() == 10; });
  edge().Hurry();
  RunUntil([&] { return edge().unacknowledged() == 0; });
}

TEST_F(HurryTest, ARouterThatStopsHurriesTheEdges) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Juliet();
  Say(romeo, juliet.jid());
  RunUntil([&] { return !juliet.received().empty(); });
  KillEdge(edge());  // else it hurries the router
  bool done = false;
  DrainRouter(0, [&] { done = true; });
  RunUntil([&] { return done; });
}

TEST_F(HurryTest, WhoWaitsForAnEdgeHurriesIt) {
  Configure(1, {"router.handover_timeout=1m"});
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Juliet();
  Say(romeo, juliet.jid());
  RunUntil([&] { return !juliet.received().empty(); });
  // Not by her edge, whose acknowledgement would go with that.
  auto ended = std::make_unique<rpc::Envelope>();
  ended->set_kind(link::v1::KIND_CONTROL);
  ended->set_from(juliet.jid());
  ended->set_session(juliet.id());
  ended->mutable_session_ended()->set_reason("timeout");
  edge().SendAgain(std::move(ended));
  RunUntil([&] { return edge().unacknowledged() == 0; });
}

}  // namespace
}  // namespace parley::router::testing
