#include "services/router/nodes.h"

#include "libs/base/log.h"

namespace parley::router {
namespace {

constexpr int kPolls = 3;
// Epochs are never used again, so a verdict holds for ever; kept only as long as records may still name them.
constexpr std::chrono::hours kRemember{1};

}  // namespace

Nodes::Nodes(Loop& loop, storage::Redis& redis, storage::LeaseOptions lease, std::chrono::milliseconds poll,
             std::function<void(const Node&)> died)
    : patience_(poll * kPolls),
      died_(std::move(died)),
      table_(loop, redis, lease, poll, [this](const Node& node) { Bury(node); }),
      timer_(loop.Every(poll, [this] { JudgeAll(); })) {}

bool Nodes::Dead(std::string_view instance, std::string_view epoch) {
  const Key key(instance, epoch);
  const auto suspect = suspects_.find(key);
  if (suspect != suspects_.end()) return suspect->second.dead;
  if (table_.Judge(instance, epoch) != NodeTable::Verdict::kAlive) suspects_[key].since = Clock::now();
  return false;
}

bool Nodes::DeadFor(const session::v1::Record& record, std::chrono::milliseconds time) {
  if (!Dead(record)) return false;
  return Clock::now() - suspects_[Key(record.node(), record.node_epoch())].since >= time;
}

void Nodes::CallDead(const Node& node) {
  Suspicion& suspicion = suspects_[Key(node.instance, node.epoch)];
  suspicion.since = Clock::now();
  suspicion.dead = true;
  died_(node);
}

// True: not a suspect any more.
bool Nodes::Judge(const Key& key, Suspicion& suspicion) {
  const auto age = Clock::now() - suspicion.since;
  if (suspicion.dead) return age > kRemember;
  switch (table_.Judge(key.first, key.second)) {
    case NodeTable::Verdict::kAlive:
      return true;
    case NodeTable::Verdict::kUnknown:
      suspicion.since = Clock::now();
      return false;
    case NodeTable::Verdict::kLapsed:
      break;
  }
  if (age < patience_) return false;
  suspicion.dead = true;
  died_(Node{key.first, key.second});
  return false;
}

void Nodes::JudgeAll() {
  for (auto suspect = suspects_.begin(); suspect != suspects_.end();) {
    suspect = Judge(suspect->first, suspect->second) ? suspects_.erase(suspect) : std::next(suspect);
  }
}

// The table saw it alive and then gone: no doubt.
void Nodes::Bury(const Node& node) {
  Suspicion& suspicion = suspects_[Key(node.instance, node.epoch)];
  if (suspicion.dead) return;
  suspicion.dead = true;
  suspicion.since = Clock::now();
  log::Warn("node_died", {{"node", node.instance}, {"epoch", node.epoch}});
  died_(node);
}

}  // namespace parley::router
