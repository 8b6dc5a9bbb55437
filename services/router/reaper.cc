#include "services/router/reaper.h"

#include <memory>

#include "libs/base/log.h"
#include "libs/storage/lease.h"
#include "libs/storage/redis_await.h"
#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

std::string NameOf(const Nodes::Node& node) { return node.instance + "/" + node.epoch; }

std::string ClaimKey(const Nodes::Node& node) { return "parley:reap:" + NameOf(node); }

// Nobody's, or ours already. Who stood still may find that another has it.
const storage::Script& ClaimScript() {
  static const storage::Script script(R"(
    local owner = redis.call('GET', KEYS[1])
    if owner and owner ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1)");
  return script;
}

const storage::Script& GiveUpClaimScript() {
  static const storage::Script script(R"(
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    return redis.call('DEL', KEYS[1]))");
  return script;
}

std::unique_ptr<rpc::Envelope> Ended(const Nodes::Node& node, const IndexEntry& entry) {
  auto envelope = std::make_unique<rpc::Envelope>();
  envelope->set_kind(link::v1::KIND_CONTROL);
  envelope->set_leg(link::v1::LEG_OUTBOUND);
  envelope->set_from(entry.jid);
  envelope->set_session(entry.session);
  auto& ended = *envelope->mutable_session_ended();
  ended.set_reason("lost");
  ended.set_node(node.instance);
  ended.set_node_epoch(node.epoch);
  return envelope;
}

// The sessions of a page whose homes are done with them.
struct Pending {
  std::size_t open = 1;
  std::vector<std::string> done_members;
  std::function<void(std::vector<std::string>)> done;

  void Settle(const std::string& member, rpc::RefusalReason reason) {
    if (reason == link::v1::REFUSAL_REASON_UNSPECIFIED) done_members.push_back(member);
    Close();
  }
  void Close() {
    if (--open == 0) done(std::move(done_members));
  }
};

}  // namespace

Reaper::Reaper(Loop& loop, Tasks& tasks, storage::Redis& redis, Nodes& nodes, Peers& peers, const Options& options,
               Metrics& metrics)
    : tasks_(tasks), redis_(redis), nodes_(nodes), peers_(peers), options_(options), metrics_(metrics) {
  timer_ = loop.Every(options_.reap_search, [this] {
    if (!redis_.up() || searching_ || stopped_) return;
    searching_ = true;
    tasks_.Spawn("find_forgotten_nodes", FindForgotten(), [this] { searching_ = false; });
  });
}

void Reaper::OnNodeDied(const Nodes::Node& node) {
  if (!stopped_ && reaping_.insert(NameOf(node)).second)
    tasks_.Spawn("reap", Reap(node), [this, node] { reaping_.erase(NameOf(node)); });
}

Task<void> Reaper::Reap(Nodes::Node node) {
  bool claimed = false;
  while (!stopped_) {
    claimed = co_await Claim(node);
    if (!claimed) co_await SleepFor(options_.reap_claim / 4);
    std::vector<std::string> size{"SCARD", storage::NodeSessionsKey(node.instance, node.epoch)};
    const auto left = co_await storage::AwaitCommand(redis_, std::move(size));
    if (left && left->integer == 0) {
      const bool over = co_await Forget(node);
      if (!over) continue;
      log::Info("node_reaped", {{"node", node.instance}, {"epoch", node.epoch}});
      co_return;
    }
    if (!claimed || !left) continue;
    const Swept swept = co_await Sweep(node);
    if (swept == Swept::kDone) metrics_.reaped_nodes.Increment();
    if (swept == Swept::kNotYet && !stopped_) co_await SleepFor(options_.reap_retry);
    if (swept == Swept::kLost) claimed = false;
  }
  if (claimed) co_await GiveUpClaim(node);
}

// False: something was added meanwhile. Who adds names the node after the session (NodeIndex::Add): so either we
// see the session, or the name stays for FindForgotten.
Task<bool> Reaper::Forget(const Nodes::Node& node) {
  std::vector<std::string> remove{"SREM", kIndexedNodes, NameOf(node)};
  const auto removed = co_await storage::AwaitCommand(redis_, std::move(remove));
  std::vector<std::string> size{"SCARD", storage::NodeSessionsKey(node.instance, node.epoch)};
  const auto left = co_await storage::AwaitCommand(redis_, std::move(size));
  if (removed && left && left->integer == 0) co_return true;
  std::vector<std::string> add{"SADD", kIndexedNodes, NameOf(node)};
  co_await storage::AwaitCommand(redis_, std::move(add));
  co_return false;
}

// It lives as long as we go on.
Task<bool> Reaper::Claim(const Nodes::Node& node) {
  std::vector<std::string> keys{ClaimKey(node)};
  std::vector<std::string> arguments{options_.instance, std::to_string(options_.reap_claim.count())};
  const auto reply = co_await storage::AwaitEval(redis_, ClaimScript(), std::move(keys), std::move(arguments));
  co_return reply && reply->integer == 1;
}

Task<void> Reaper::GiveUpClaim(const Nodes::Node& node) {
  std::vector<std::string> keys{ClaimKey(node)};
  std::vector<std::string> arguments{options_.instance};
  co_await storage::AwaitEval(redis_, GiveUpClaimScript(), std::move(keys), std::move(arguments));
}

Task<Reaper::Swept> Reaper::Sweep(const Nodes::Node& node) {
  const std::string index = storage::NodeSessionsKey(node.instance, node.epoch);
  std::string cursor = "0";
  Swept swept = Swept::kDone;
  do {
    auto page = co_await Read(node, cursor);
    if (!page) co_return Swept::kLost;
    cursor = page->cursor;
    const std::size_t count = page->members.size();
    auto done = co_await EndSessions(node, std::move(page->members));
    metrics_.reaped_sessions.Increment(static_cast<double>(done.size()));
    if (done.size() < count) swept = Swept::kNotYet;
    if (!done.empty()) {
      done.insert(done.begin(), {"SREM", index});
      co_await storage::AwaitCommand(redis_, std::move(done));
    }
    const bool mine = co_await Claim(node);
    if (!mine) co_return Swept::kLost;
  } while (cursor != "0" && !stopped_);
  co_return cursor == "0" ? swept : Swept::kNotYet;
}

Task<Result<Reaper::Page>> Reaper::Read(const Nodes::Node& node, std::string cursor) {
  std::vector<std::string> words{"SSCAN", storage::NodeSessionsKey(node.instance, node.epoch), std::move(cursor),
                                 "COUNT", std::to_string(options_.reap_batch)};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  if (!reply) co_return reply.error();
  if (reply->items.size() != 2) co_return Error("an answer to SSCAN that is none");
  Page page;
  page.cursor = reply->items[0].text;
  for (const auto& item : reply->items[1].items) page.members.push_back(item.text);
  co_return page;
}

Task<std::vector<std::string>> Reaper::EndSessions(const Nodes::Node& node, std::vector<std::string> members) {
  auto pending = std::make_shared<Pending>();
  std::function<void(std::function<void(std::vector<std::string>)>)> start = [&](auto done) {
    pending->done = std::move(done);
    for (const auto& member : members) {
      const IndexEntry entry = ParseIndexMember(member);
      ++pending->open;
      rpc::Receipt receipt([alive = alive_, pending, member](rpc::RefusalReason reason) {
        if (*alive) pending->Settle(member, reason);
      });
      peers_.Send(xmpp::BareOf(entry.jid), Ended(node, entry), std::move(receipt));
    }
    pending->Close();
  };
  co_return co_await Await<std::vector<std::string>>(start);
}

Task<void> Reaper::FindForgotten() {
  std::vector<std::string> words{"SMEMBERS", kIndexedNodes};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  if (!reply) co_return;
  for (const auto& item : reply->items) {
    const auto node = ParseNodeName(item.text);
    // If it is dead but nobody has noticed yet, asking begins the suspicion.
    if (node && nodes_.Dead(node->instance, node->epoch)) OnNodeDied(*node);
  }
}

}  // namespace parley::router
