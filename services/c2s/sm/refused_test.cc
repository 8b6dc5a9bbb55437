// Sessions whose edge Redis refuses its lease, as when its disk is full.
#include "services/c2s/node.h"
#include "services/c2s/testing/doubt_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;

class RefusedTest : public LonelyTest {
 protected:
  ~RefusedTest() override { TakeWrites(); }
  void RefuseWrites() {
    edge_.redis().Call({"CONFIG", "SET", "min-replicas-to-write", "1"});
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().context().node.held(); }));
  }
  void TakeWrites() { edge_.redis().Call({"CONFIG", "SET", "min-replicas-to-write", "0"}); }
};

TEST_F(RefusedTest, WhatComesForAClientThatSaysNothingIsWritten) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  RefuseWrites();
  Deliver(id, Message("1"));
  EXPECT_THAT(client.Until(Message("1")), HasSubstr(Message("1")));
  TakeWrites();
  EXPECT_TRUE(AwaitSettled(1)) << "the queue has it";
  EXPECT_EQ(Contents().stanzas.size(), 1u);
}

}  // namespace
}  // namespace parley::c2s::testing
