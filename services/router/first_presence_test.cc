// A session's first presence, which is written together with that it has asked for its roster.
#include "services/router/testing/sessions.h"

namespace parley::router {
namespace {

using testing::Attr;
using testing::Client;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::SessionsTest;
using ::testing::SizeIs;
using xmpp::Subscription;

TEST_F(SessionsTest, AFirstPresenceBehindTheRosterIsWrittenWithIt) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Login("romeo@home.example/orchard");
  AskForRoster(romeo);
  romeo.Send("<presence><priority>5</priority></presence>");
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("romeo@home.example/orchard")));
  const auto received = romeo.Take();
  ASSERT_THAT(received, SizeIs(3));  // the roster, the own presence, and hers
  EXPECT_EQ(Attr(received[0], "id"), "roster");
  EXPECT_EQ(Attr(received[1], "from"), "romeo@home.example/orchard");
  EXPECT_EQ(Attr(received[2], "from"), "juliet@home.example/balcony");
  const auto record = RecordInRedis();
  EXPECT_TRUE(record.interested());
  EXPECT_EQ(record.priority(), 5);
  EXPECT_EQ(record.revision(), 2u);  // bound, and once more
  romeo.Send("<presence><priority>5</priority></presence>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
  EXPECT_EQ(RecordInRedis().revision(), 2u) << "nothing has changed";
}

TEST_F(SessionsTest, OnlyAFirstPresenceOfTheSameSessionIsWrittenAhead) {
  Client& orchard = Login("romeo@home.example/orchard");
  Client& street = Login("romeo@home.example/street");
  AskForRoster(orchard);
  street.Send("<presence/>");
  Settle();
  EXPECT_EQ(RecordInRedis().presence(), "");
  orchard.Take();
  orchard.Send("<presence><priority>high</priority></presence>");
  EXPECT_THAT(Received(orchard), ElementsAre(HasSubstr("bad-request")));
  AskForRoster(street);
  street.Send("<presence><priority>high</priority></presence>");
  EXPECT_THAT(Received(street), Contains(HasSubstr("bad-request")));
}

// The router had written it and died before it told anybody.
TEST_F(SessionsTest, AFirstPresenceWrittenAheadIsToldByTheNextRouter) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Login("romeo@home.example/orchard");
  const std::string address = "127.0.0.1:" + std::to_string(roster_->port());
  roster_.reset();  // so the router does not come to it
  AskForRoster(romeo);
  romeo.Send("<presence/>");
  RunUntil([&] { return Metric("parley_router_mailbox") > 0; });
  auto record = RecordInRedis();
  record.set_interested(true);
  record.set_presence(edge().last().stanza());
  WriteAsAnotherRouter(record);
  KillRouter(0);
  roster_ = std::make_unique<testing::MemoryRoster>(loop_, address);
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  StartRouter(0);
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("romeo@home.example/orchard")));
  EXPECT_THAT(romeo.Take(), SizeIs(3));
}

}  // namespace
}  // namespace parley::router
