#include "services/router/nodes.h"

#include <algorithm>

#include "libs/base/log.h"

namespace parley::router {
namespace {

constexpr int kPolls = 3;
// Epochs are never used again, so a verdict holds for ever; kept only as long as records may still name them.
constexpr std::chrono::hours kRemember{1};

}  // namespace

Nodes::Nodes(Loop& loop, storage::Redis& redis, const Options& options, std::function<void(const Node&)> died)
    : options_(options),
      died_(std::move(died)),
      table_(loop, redis, options.lease, options.poll, [this](const Node& node) { Bury(node); }),
      timer_(loop.Every(options.poll, [this] { JudgeAll(); })) {}

void Nodes::OnLinkUp(const std::string& process) { linked_.insert(process); }

void Nodes::OnLinkDown(const std::string& process) {
  linked_.erase(linked_.find(process));
  JudgeAll();
}

bool Nodes::Dead(std::string_view instance, std::string_view epoch) {
  const Key key(instance, epoch);
  const auto suspect = suspects_.find(key);
  if (suspect != suspects_.end()) return suspect->second.dead;
  if (table_.Judge(instance, epoch) != NodeTable::Verdict::kAlive) suspects_[key].since = Clock::now();
  return false;
}

void Nodes::CallDead(const Node& node) {
  Suspicion& suspicion = suspects_[Key(node.instance, node.epoch)];
  suspicion.since = Clock::now();
  suspicion.dead = true;
  died_(node);
}

// True: not a suspect any more.
bool Nodes::Judge(const Key& key, Suspicion& suspicion) {
  if (suspicion.dead) return Clock::now() - suspicion.since > kRemember;
  switch (table_.Judge(key.first, key.second)) {
    case NodeTable::Verdict::kAlive:
      return true;
    case NodeTable::Verdict::kUnknown:
      suspicion.since = Clock::now();
      return false;
    case NodeTable::Verdict::kLapsed:
      break;
  }
  if (!TimeIsUp(key, suspicion)) return false;
  suspicion.dead = true;
  suspicion.since = Clock::now();
  log::Info("node_gone", {{"node", key.first}, {"epoch", key.second}});  // drained, or dead
  died_(Node{key.first, key.second});
  return false;
}

bool Nodes::TimeIsUp(const Key& key, Suspicion& suspicion) const {
  const auto age = Clock::now() - suspicion.since;
  if (linked_.contains(storage::ProcessOf(key.second))) {
    if (HasNewLease(key)) return age >= options_.restore_grace;
    suspicion.since = Clock::now();
    return false;
  }
  return suspicion.lapsed || age >= options_.poll * kPolls;
}

bool Nodes::HasNewLease(const Key& key) const {
  const auto nodes = table_.nodes();
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
    return node.instance == key.first && storage::ProcessOf(node.epoch) == storage::ProcessOf(key.second);
  });
}

void Nodes::JudgeAll() {
  // What `died_` does may bring new suspects.
  std::vector<Key> keys;
  for (const auto& [key, suspicion] : suspects_) keys.push_back(key);
  for (const Key& key : keys) {
    if (Judge(key, suspects_[key])) suspects_.erase(key);
  }
}

// The table saw it alive and then gone: no doubt, unless it has a link.
void Nodes::Bury(const Node& node) {
  const Key key(node.instance, node.epoch);
  Suspicion& suspicion = suspects_[key];
  if (!suspicion.lapsed) suspicion.since = Clock::now();
  suspicion.lapsed = true;
  Judge(key, suspicion);
}

}  // namespace parley::router
