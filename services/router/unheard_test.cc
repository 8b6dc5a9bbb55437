// Another router has written the account, and this one goes by what it knew before.
#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::IsEmpty;

constexpr char kSessions[] = "parley:s:{romeo@home.example}";

class UnheardTest : public testing::ManagedTest {
 protected:
  // Redis would say so, and the account be read again: but of what changes by SWAPDB it tells nobody. `change`: Lua.
  void ChangeUnheard(const std::string& change, const std::vector<std::string>& arguments) {
    const double loads = Metric("parley_router_account_loads_total");
    std::vector<std::string> words{
        "EVAL",
        "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', 1, 'REPLACE') end "
        "redis.call('SELECT', 1) " +
            change,
        "0"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    Redis(words);
    RunUntil([&] {
      juliet().Send("<message type='error' to='romeo@home.example'/>");  // changes nothing
      return Metric("parley_router_account_loads_total") > loads;
    });
    Settle();
    Redis({"SWAPDB", "0", "1"});
  }
  static std::string Value(const session::v1::Record& record) {
    return record.session() + " " + std::to_string(record.revision()) + "\n" + record.SerializeAsString();
  }
  static std::string Queue(const std::string& name) { return session::QueueKey("romeo@home.example", name); }
  // A claim, if it is one, renames the queue.
  void WriteUnheard(const Client& romeo, session::v1::Record record) {
    record.set_revision(record.revision() + 1);
    ChangeUnheard(
        "redis.call('HSET', ARGV[1], 'orchard', ARGV[2]) "
        "if ARGV[3] ~= ARGV[4] then redis.call('RENAME', ARGV[3], ARGV[4]) end",
        {kSessions, Value(record), Queue(romeo.queue()), Queue(record.queue())});
  }
};

TEST_F(UnheardTest, AClaimLostToAnotherRouterIsMadeAgain) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  auto record = RecordOf();
  record.set_node("c2s-9");
  record.set_queue("theirs");
  WriteUnheard(romeo, record);
  Client& back = Resumed(second(), romeo);
  Chat(2);
  ExpectIds(back, {"1", "2"});
  EXPECT_EQ(RecordOf().queue(), back.queue());
  EXPECT_EQ(Redis({"KEYS", "parley:q:*"}), session::QueueKey("romeo@home.example", back.queue()));
}

TEST_F(UnheardTest, AClaimUndoesNothingThatAnotherRouterWrote) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  auto record = RecordOf();
  record.set_priority(7);
  WriteUnheard(romeo, record);
  EXPECT_EQ(Resumed(second(), romeo).resumed().record().priority(), 7);
  EXPECT_EQ(RecordOf().priority(), 7);
}

TEST_F(UnheardTest, AClaimOfWhatIsOverLeavesNothing) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  ChangeUnheard("redis.call('DEL', ARGV[1])", {kSessions});
  Client& late = second().Resume(romeo);
  RunUntil([&] { return second().answered(late); });
  EXPECT_EQ(late.resumed().condition(), "item-not-found");
  RunUntil([&] { return Redis({"EXISTS", "parley:n:c2s-3/" + second().epoch()}) == "0"; });
}

// It had told others that the session is not available any more.
TEST_F(UnheardTest, AnEndThatHasBegunGoesByTheRecordOfWhoBeganIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  auto record = RecordOf();
  record.set_revision(record.revision() + 1);
  record.clear_presence();
  record.set_queue("ended:" + romeo.id());
  ChangeUnheard(
      "redis.call('HDEL', ARGV[1], 'orchard') "
      "redis.call('HSET', ARGV[1], ARGV[2], ARGV[3]) "
      "redis.call('RENAME', ARGV[4], ARGV[5])",
      {kSessions, "\n" + romeo.id(), Value(record), Queue(romeo.queue()), Queue(record.queue())});
  juliet().Take();
  romeo.Close();
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
}

// To which its edge has said it again, as the link to this one broke.
TEST_F(UnheardTest, AnEndThatIsSaidAgainGoesByWhatRedisHas) {
  Configure(1, {"router.recheck_stored=0ms"});  // no account that is read anew waits for the roster service
  Begin();
  Client& romeo = Online(first(), kOrchard);
  Client& nurse = Online(first(), "nurse@home.example/hall");
  auto record = RecordOf();
  record.clear_presence();
  WriteUnheard(romeo, record);
  roster_->SetHolding(true);
  romeo.Send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
  RunUntil([&] { return roster_->held() > 0; });
  juliet().Take();
  romeo.Close();
  nurse.Send("<message to='juliet@home.example/balcony' id='behind'><body>x</body></message>");
  RunUntil([&] { return juliet().Take().size() == 1; });  // what was sent before has come, too
  first().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2"); });
  roster_->SetHolding(false);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
}

}  // namespace
}  // namespace parley::router
