#include "services/router/node_index.h"

#include "libs/storage/redis_await.h"

namespace parley::router {
namespace {

std::string NodeName(const Record& record) { return record.node() + "/" + record.node_epoch(); }

}  // namespace

std::string IndexMember(std::string_view bare, const Record& record) {
  return record.session() + " " + std::string(bare) + "/" + record.resource();
}

IndexEntry ParseIndexMember(std::string_view member) {
  const auto space = member.find(' ');
  if (space == std::string_view::npos) return {};
  return {std::string(member.substr(0, space)), std::string(member.substr(space + 1))};
}

std::optional<storage::NodeTable::Node> ParseNodeName(std::string_view name) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return storage::NodeTable::Node{std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))};
}

void NodeIndex::Add(const std::string& bare, const Record& record) {
  const std::string key = storage::NodeSessionsKey(record.node(), record.node_epoch());
  redis_.Command({"SADD", key, IndexMember(bare, record)}, storage::LogFailure);
  // Behind it: see Reaper::Forget.
  const std::string name = NodeName(record);
  if (nodes_.contains(name)) return;
  // To say it again does no harm.
  if (nodes_.size() >= max_nodes_) {
    limit_.Increment();
    nodes_.clear();
  }
  nodes_.insert(name);
  redis_.Command({"SADD", kIndexedNodes, name}, storage::LogFailure);
}

Task<bool> NodeIndex::AddAgain(std::string bare, Record record) {
  const std::string key = storage::NodeSessionsKey(record.node(), record.node_epoch());
  std::vector<std::string> session{"SADD", key, IndexMember(bare, record)};
  const auto indexed = co_await storage::AwaitCommand(redis_, std::move(session));
  if (!indexed) co_return false;
  // Behind it: see Reaper::Forget.
  std::vector<std::string> node{"SADD", kIndexedNodes, NodeName(record)};
  const auto named = co_await storage::AwaitCommand(redis_, std::move(node));
  co_return static_cast<bool>(named);
}

void NodeIndex::Remove(const std::string& bare, const Record& record) {
  const std::string key = storage::NodeSessionsKey(record.node(), record.node_epoch());
  redis_.Command({"SREM", key, IndexMember(bare, record)}, storage::LogFailure);
}

Task<bool> NodeIndex::RemoveForGood(std::string bare, Record record) {
  const std::string key = storage::NodeSessionsKey(record.node(), record.node_epoch());
  std::vector<std::string> words{"SREM", key, IndexMember(bare, record)};
  const auto removed = co_await storage::AwaitCommand(redis_, std::move(words));
  co_return static_cast<bool>(removed);
}

}  // namespace parley::router
