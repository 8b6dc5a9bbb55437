#include "services/router/session_store.h"

#include "libs/base/log.h"
#include "libs/storage/lease.h"
#include "libs/storage/redis_await.h"

namespace parley::router {
namespace {

using Clock = std::chrono::steady_clock;

// Reading the key last makes Redis remember us for its invalidation: a write makes it forget all who had read it.
const storage::Script& PutScript() {
  static const storage::Script script(R"(
    local current = redis.call('HGET', KEYS[1], ARGV[1])
    local stamp = ''
    if current then stamp = string.match(current, '^[^\n]*') end
    if stamp ~= ARGV[2] then return 0 end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

// Whatever its revision: a session that is over is over.
const storage::Script& EraseScript() {
  static const storage::Script script(R"(
    local current = redis.call('HGET', KEYS[1], ARGV[1])
    if current and string.match(current, '^[^ ]*') == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

// A change that leaves nothing behind. No resource is empty.
const storage::Script& TouchScript() {
  static const storage::Script script(R"(
    redis.call('HSET', KEYS[1], '', '')
    redis.call('HDEL', KEYS[1], '')
    redis.call('HLEN', KEYS[1])
    return 1)");
  return script;
}

std::string Stamp(const std::string& session, std::uint64_t revision) {
  return session.empty() ? std::string() : session + " " + std::to_string(revision);
}

std::string Value(const Record& record) {
  return Stamp(record.session(), record.revision()) + "\n" + record.SerializeAsString();
}

bool ParseValue(std::string_view value, Record& record) {
  const auto line = value.find('\n');
  if (line == std::string_view::npos) return false;
  const auto body = value.substr(line + 1);
  return record.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

void Ignore(Result<storage::Reply> reply) {
  if (!reply) log::Warn("redis_command_failed", {{"reason", reply.error().message()}});
}

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

SessionStore::SessionStore(Tasks& tasks, storage::Redis& redis, Metrics& metrics)
    : tasks_(tasks), redis_(redis), metrics_(metrics), alive_(std::make_shared<SessionStore*>(this)) {}

Task<Result<std::vector<Record>>> SessionStore::Load(std::string bare) {
  const auto start = Clock::now();
  metrics_.account_loads.Increment();
  std::vector<std::string> words{"HGETALL", storage::SessionsKey(bare)};
  const auto reply = co_await storage::AwaitCommand(redis_, std::move(words));
  Measure(start);
  if (!reply) co_return reply.error();
  std::vector<Record> records;
  for (std::size_t i = 1; i < reply->items.size(); i += 2) {
    Record record;
    if (!ParseValue(reply->items[i].text, record)) {
      log::Error("session_record_unreadable", {{"account", bare}, {"resource", reply->items[i - 1].text}});
      continue;
    }
    if (!ending_.contains(record.session())) records.push_back(std::move(record));
  }
  co_return records;
}

Task<Result<SessionStore::Write>> SessionStore::Put(std::string bare, Record next, Expected expected) {
  const auto start = Clock::now();
  std::vector<std::string> keys{storage::SessionsKey(bare)};
  std::vector<std::string> arguments{next.resource(), Stamp(expected.session, expected.revision), Value(next)};
  const auto reply = co_await storage::AwaitEval(redis_, PutScript(), std::move(keys), std::move(arguments));
  Measure(start);
  if (!reply) co_return reply.error();
  if (reply->integer == 1) co_return Write::kDone;
  metrics_.conflicts.Increment();
  co_return Write::kConflict;
}

void SessionStore::Index(const std::string& bare, const Record& record) {
  const std::string key = storage::NodeSessionsKey(record.node(), record.node_epoch());
  if (indexed_nodes_.insert(NodeName(record)).second) redis_.Command({"SADD", kIndexedNodes, NodeName(record)}, Ignore);
  redis_.Command({"SADD", key, IndexMember(bare, record)}, Ignore);
}

rpc::Receipt SessionStore::EraseWhenSettled(const std::string& bare, const Record& record, rpc::Receipt receipt) {
  ending_.insert(record.session());
  auto settled = [alive = std::weak_ptr(alive_), bare, record, receipt = std::move(receipt)](rpc::RefusalReason) {
    if (const auto store = alive.lock()) (*store)->Erase(bare, record, receipt);
  };
  return rpc::Receipt(std::function<void(rpc::RefusalReason)>(std::move(settled)));
}

void SessionStore::Erase(std::string bare, Record record, rpc::Receipt receipt) {
  tasks_.Spawn("erase_session", EraseUntilDone(std::move(bare), std::move(record), std::move(receipt)));
}

// `receipt` goes when this is done.
Task<void> SessionStore::EraseUntilDone(std::string bare, Record record, [[maybe_unused]] rpc::Receipt receipt) {
  const std::string index_key = storage::NodeSessionsKey(record.node(), record.node_epoch());
  while (true) {
    std::vector<std::string> keys{storage::SessionsKey(bare)};
    std::vector<std::string> arguments{record.resource(), record.session()};
    const auto erased = co_await storage::AwaitEval(redis_, EraseScript(), std::move(keys), std::move(arguments));
    if (erased) break;
    co_await SleepFor(std::chrono::milliseconds(500));
  }
  // The index is only a help: what stays in it is found ended by the reaper.
  redis_.Command({"SREM", index_key, IndexMember(bare, record)}, Ignore);
  ending_.erase(record.session());
}

void SessionStore::Touch(const std::string& bare) {
  redis_.Eval(TouchScript(), {storage::SessionsKey(bare)}, {}, Ignore);
}

void SessionStore::Measure(Clock::time_point since) {
  metrics_.redis_seconds.Observe(std::chrono::duration<double>(Clock::now() - since).count());
}

}  // namespace parley::router
