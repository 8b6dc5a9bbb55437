#include "services/router/testing/managed.h"
#include "services/router/testing/numbered.h"

namespace parley::router::testing {
namespace {

constexpr char kRomeo[] = "romeo@home.example";

}  // namespace

void ManagedTest::SetUp() {
  ClusterTest::SetUp();
  roster_->Befriend(kRomeo, "juliet@home.example", xmpp::Subscription::kBoth);
}

void ManagedTest::Begin() {
  juliet_ = &Online("juliet@home.example/balcony");
  first_ = &AddEdge("c2s-2");
  second_ = &AddEdge("c2s-3");
}

Client& ManagedTest::Managed(Edge& edge, const std::string& jid, std::uint64_t resume_ms, int priority) {
  Client& client = Online(edge, jid, priority);
  edge.Enable(client, resume_ms);
  RunUntil([&] { return edge.answered(client); });
  EXPECT_NE(client.queue(), "");
  return client;
}

Client& ManagedTest::Resumed(Edge& edge, const Client& session, const std::string& queue) {
  Client& client = edge.Resume(session, queue);
  RunUntil([&] { return edge.answered(client); });
  return client;
}

void ManagedTest::Chat(int number, const std::string& to) {
  juliet_->Send("<message type='chat' to='" + to + "' id='" + std::to_string(number) + "'><body>x</body></message>");
}

void ManagedTest::FreezeFirstWith(int messages, const std::string& to) {
  first_->SetFrozen(true);
  for (int i = 1; i <= messages; ++i) Chat(i, to);
  RunUntil([&] { return first_->frozen() == static_cast<std::size_t>(messages); });
}

std::vector<std::string> ManagedTest::Ids(const std::vector<std::string>& stanzas) { return testing::Ids(stanzas); }

std::vector<std::string> ManagedTest::Numbers(int from, int to) { return testing::Numbers(from, to); }

void ManagedTest::ExpectIds(Client& client, const std::vector<std::string>& ids) {
  RunUntil([&] { return Ids(client.received()).size() >= ids.size(); });
  Settle();
  EXPECT_EQ(Ids(client.received()), ids);
}

std::vector<std::string> ManagedTest::TakeOffline() {
  Client& heir = Login(std::string(kRomeo) + "/heir");
  heir.Send("<presence/>");
  return Received(heir);
}

session::v1::Record ManagedTest::RecordOf(const std::string& resource) {
  const std::string value = Redis({"HGET", "parley:s:{romeo@home.example}", resource});
  session::v1::Record record;
  record.ParseFromString(value.substr(value.find('\n') + 1));
  return record;
}

std::string ManagedTest::QueueLength(const std::string& queue) {
  return Redis({"LLEN", session::QueueKey(kRomeo, queue)});
}

bool ManagedTest::RedisIsClean() {
  return Redis({"EXISTS", "parley:s:{romeo@home.example}"}) == "0" && Redis({"KEYS", "parley:q:*"}).empty();
}

void ManagedTest::RunUntilOrphaned(int sessions) {
  RunUntil([&] { return Metric("parley_router_orphaned_sessions_total") >= sessions; });
}

void ManagedTest::FinishElsewhere(const Client& ended) {
  Redis({"HDEL", "parley:s:{romeo@home.example}", "\n" + ended.id()});
  Redis({"RENAME", session::QueueKey(kRomeo, "ended:" + ended.id()), "parley:p:{romeo@home.example}:" + ended.id()});
}

}  // namespace parley::router::testing
