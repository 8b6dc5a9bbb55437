// Each row of the table by which a session lives at its home router, and that it is the one of ARCHITECTURE.md.
#include "services/router/life.h"

#include <algorithm>
#include <set>
#include <string>

#include "services/router/testing/orphans.h"
#include "tests/support/life_table.h"

namespace parley::router {

using life::Event;
using life::State;
using Row = session::Transition<State, Event>;

namespace {

using testing::Client;

TEST(LifeTest, IsAsDescribed) {
  EXPECT_EQ(test::RowsOf(life::kLife), test::RowsIn(PARLEY_SOURCE_DIR "/ARCHITECTURE.md", "### At its home router"));
}

TEST(LifeTest, AnEventLeadsToOneState) {
  const auto rows = test::RowsOf(life::kLife);
  EXPECT_EQ(std::set(rows.begin(), rows.end()).size(), rows.size());
  for (const auto& row : life::kLife) EXPECT_EQ(life::Next(row.from, row.event), row.to);
}

TEST(LifeTest, WhatCannotHappenOrEndsASessionLeavesItsRecordAsItIs) {
  session::v1::Record record;
  EXPECT_FALSE(life::Apply(Event::kEdgeLost, record)) << "that ends it";
  EXPECT_FALSE(life::Apply(Event::kClaimed, record)) << "it cannot be resumed";
  record.set_queue("q");
  EXPECT_EQ(life::StateOf(record), State::kBound) << "for acknowledgements alone";
  record.set_resume_ms(1);
  record.set_away_since(1);
  EXPECT_FALSE(life::Apply(Event::kLetGo, record)) << "it has no edge";
  EXPECT_EQ(record.away_since(), 1);
}

// One session of Romeo's in the state from which the row leads, and what leads from there.
class LifeRowTest : public testing::OrphansTest, public ::testing::WithParamInterface<Row> {
 protected:
  void SetUp() override {
    OrphansTest::SetUp();
    Configure(1, {"c2s.sm_max_stanzas=10", "c2s.sm_request_stanzas=5"});
    Begin();
    const bool bound = GetParam().from == State::kBound;
    const auto time = GetParam().event == Event::kExpired ? kShort : kLong;
    romeo_ = bound ? &Online(first(), kOrchard) : &Managed(first(), kOrchard, time);
    id_ = romeo_->id();
    if (GetParam().from != State::kOrphan) return;
    romeo_->Close("left");
    RunUntilOrphaned();
    Settle();
  }

  void Happen(Event event) {
    switch (event) {
      case Event::kClaimed:
        second().Resume(*romeo_);
        return;
      case Event::kPutBack:
        return first().Restore(*romeo_, RecordOf(), [](bool) {});
      case Event::kEdgeLost:
        return KillEdge(first());
      case Event::kLetGo:
        return romeo_->Close("left");
      case Event::kUnknown:
        first().Lose(*romeo_);
        return Chat(1);
      case Event::kExpired:
        return;  // as soon as somebody looks
      case Event::kQueueFull:
        for (int number = 1; number < 16; ++number) Chat(number);
        return;
      case Event::kQueueLost:
        Redis({"DEL", session::QueueKey("romeo@home.example", romeo_->queue())});
        second().Resume(*romeo_);
        return;
      case Event::kOver:
        return romeo_->Close();
      case Event::kKicked:
        return second().Kick(*romeo_);
      case Event::kDisplaced:
        second().Bind("romeo@home.example", "orchard");
        return;
    }
  }

  // By what Redis has of it.
  State Now() {
    const auto record = RecordOf();
    return record.session() == id_ ? life::StateOf(record) : State::kEnded;
  }
  double Times(std::string_view event) {
    return Metric("parley_router_session_events_total{event=\"" + std::string(event) + "\"}");
  }

  Client* romeo_ = nullptr;
  std::string id_;
};

TEST_P(LifeRowTest, Leads) {
  const auto [from, event, to] = GetParam();
  if (event != Event::kExpired) {
    ASSERT_EQ(Now(), from);
    ASSERT_EQ(Times(life::Name(event)), 0);
  }
  Happen(event);
  RunUntil([&] { return Times(life::Name(event)) == 1 && Now() == to; });
  EXPECT_EQ(Times("impossible"), 0);
}

INSTANTIATE_TEST_SUITE_P(All, LifeRowTest, ::testing::ValuesIn(life::kLife), [](const auto& info) {
  std::string name = std::string(life::Name(info.param.from)) + "_" + std::string(life::Name(info.param.event));
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

}  // namespace
}  // namespace parley::router
