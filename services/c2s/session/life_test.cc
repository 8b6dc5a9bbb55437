// Each row of the table by which a session lives at its edge, and that it is the one of ARCHITECTURE.md.
#include "services/c2s/session/life.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "services/c2s/session/session.h"
#include "services/c2s/testing/resume_test.h"
#include "tests/support/life_table.h"

namespace parley::c2s::testing {
namespace {

using life::Event;
using life::State;
using Row = session::Transition<State, Event>;

TEST(LifeTest, IsAsDescribed) {
  EXPECT_EQ(test::RowsOf(life::kLife), test::RowsIn(PARLEY_SOURCE_DIR "/ARCHITECTURE.md", "### At its edge"));
}

TEST(LifeTest, AnEventLeadsToOneState) {
  const auto rows = test::RowsOf(life::kLife);
  EXPECT_EQ(std::set(rows.begin(), rows.end()).size(), rows.size());
  for (const auto& row : life::kLife) EXPECT_EQ(life::Next(row.from, row.event), row.to);
}

TEST(LifeTest, NothingHappensToASessionThatHasEnded) {
  for (std::size_t event = 0; event < life::kEventNames.size(); ++event) {
    EXPECT_EQ(life::Next(State::kEnded, static_cast<Event>(event)), std::nullopt);
  }
}

// One session in the state from which the row leads, and what leads from there.
class LifeRowTest : public ResumeTest, public ::testing::WithParamInterface<Row> {
 protected:
  LifeRowTest()
      : ResumeTest([](config::Config& config) {
          const bool soon = GetParam().event == Event::kExpired;
          config.c2s.sm_resume_timeout = soon ? std::chrono::milliseconds(300) : std::chrono::minutes(5);
          config.c2s.sm_settle_wait = std::chrono::minutes(5);
          config.c2s.sm_max_stanzas = 2;
        }) {}

  void SetUp() override {
    switch (GetParam().from) {
      case State::kBinding:
        return GetParam().event == Event::kBound || GetParam().event == Event::kNotBound ? BeginBinding()
                                                                                         : BeginClaiming();
      case State::kAway:
        id_ = Enable(client_);
        return GoAway(client_);
      default:
        id_ = Enable(client_);
    }
  }

  void Happen(Event event) {
    switch (event) {
      case Event::kBound:
        return AnswerWith([](FakeRouter&) {});
      case Event::kNotBound:
        return AnswerWith([](FakeRouter& router) { router.bind_condition = "conflict"; });
      case Event::kClaimed:
        HangUp();  // else it is resumed at once
        return AnswerWith([](FakeRouter&) {});
      case Event::kNotOurs:
        return AnswerWith([](FakeRouter& router) { Refuse(router, "item-not-found"); });
      case Event::kLetGo:
        HangUp();
        return AnswerWith([](FakeRouter& router) { Refuse(router, "resource-constraint"); });
      case Event::kDetached:
        return client_.connection().Reset();
      case Event::kReplaced:
        edge_.OnLoop([this] { edge_.router().hold = true; });  // so that it waits before it is resumed
        client_.Send("<message to='juliet@example.org'/>");
        ASSERT_TRUE(AwaitArrived(1));
        return AskToResume(other_.emplace(edge_.port()), id_);
      case Event::kResumed:
        return AskToResume(other_.emplace(edge_.port()), id_);
      case Event::kHandedOver:
        return HandOver(id_);
      case Event::kClosed:
        return client_.Send("</stream:stream>");
      case Event::kExpired:
        return;
      case Event::kQueueFull:
        for (const char* message : {"1", "2", "3"}) Deliver(id_, Message(message));
        return;
      case Event::kDisconnected:
        return edge_.OnLoop([this] { edge_.router().Disconnect(id_, "not-authorized"); });
    }
  }

  // A session that is forgotten has ended.
  State Now() {
    const auto& sessions = edge_.edge().sessions();
    const auto* session = sessions.Find(id_);
    return session ? session->state() : State::kEnded;
  }
  double Times(std::string_view event) {
    return edge_.Metric("parley_c2s_session_events_total{event=\"" + std::string(event) + "\"}");
  }

  std::string id_;

 private:
  void BeginBinding() {
    edge_.OnLoop([this] { edge_.router().hold_asks = true; });
    client_.LogIn();
    client_.Send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    AwaitAsk();
    id_ = SessionId();
  }
  void BeginClaiming() {
    id_ = "left";
    Leave([](session::v1::QueueHeader&) {}, {Queued("queued")});
    edge_.OnLoop([this] { edge_.router().hold_asks = true; });
    AskToResume(client_, id_);
    AwaitAsk();
  }
  void AwaitAsk() {
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  }
  static void AskToResume(Client& client, const std::string& id) {
    client.LogIn();
    client.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
  }
  static void Refuse(FakeRouter& router, const std::string& condition) {
    router.resumed.Clear();
    router.resumed.set_condition(condition);
  }
  void AnswerWith(const std::function<void(FakeRouter&)>& change) {
    edge_.OnLoop([&] {
      change(edge_.router());
      edge_.router().hold_asks = false;
      edge_.router().AnswerHeld();
    });
  }
  void HangUp() {
    client_.connection().Reset();
    ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_streams{state=\"negotiating\"}") == 0; }));
  }

  Client client_{edge_.port()};
  std::optional<Client> other_;
};

TEST_P(LifeRowTest, Leads) {
  const auto [from, event, to] = GetParam();
  if (event != Event::kExpired) {  // that happens by itself
    ASSERT_EQ(edge_.OnLoop([this] { return Now(); }), from);
    ASSERT_EQ(Times(life::Name(event)), 0);
  }
  Happen(event);
  EXPECT_TRUE(edge_.Eventually([&] { return Times(life::Name(event)) == 1 && Now() == to; }))
      << "it is " << life::Name(edge_.OnLoop([this] { return Now(); }));
  EXPECT_EQ(Times("impossible"), 0);
}

INSTANTIATE_TEST_SUITE_P(All, LifeRowTest, ::testing::ValuesIn(life::kLife), [](const auto& info) {
  std::string name = std::string(life::Name(info.param.from)) + "_" + std::string(life::Name(info.param.event));
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST_F(ResumeTest, WhatCannotHappenChangesNothing) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([&] { edge_.edge().sessions().Find(id)->departure().Forget(); });
  EXPECT_EQ(edge_.OnLoop([&] { return edge_.edge().sessions().Find(id)->state(); }), State::kBound);
  EXPECT_EQ(edge_.Metric("parley_c2s_session_events_total{event=\"impossible\"}"), 1);
  client.Sync();
}

}  // namespace
}  // namespace parley::c2s::testing
