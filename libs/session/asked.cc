#include "libs/session/asked.h"

#include <cstdlib>
#include <map>

namespace parley::session {
namespace {

// Redis being away is noticed by all others.
void Ignore(const Result<storage::Reply>&) {}

}  // namespace

std::string AskedKey(std::string_view bare_jid, std::string_view session) {
  std::string key = "parley:a:{";
  return key.append(bare_jid).append("}:").append(session);
}

void NoteAsked(storage::Redis& redis, const std::string& key, std::uint64_t number, const v1::Asked& asked,
               std::function<void()> done) {
  redis.Command({"HSET", key, std::to_string(number), asked.SerializeAsString()},
                [done = std::move(done)](const Result<storage::Reply>&) { done(); });
}

void ForgetAsked(storage::Redis& redis, const std::string& key, std::uint64_t number) {
  redis.Command({"HDEL", key, std::to_string(number)}, Ignore);
}

void ForgetAllAsked(storage::Redis& redis, const std::string& key) { redis.Command({"DEL", key}, Ignore); }

const storage::Script& TakeAskedScript() {
  static const storage::Script script(R"(
    local asked = redis.call('HGETALL', KEYS[1])
    redis.call('DEL', KEYS[1])
    return asked)");
  return script;
}

std::vector<v1::Asked> DecodeAsked(const storage::Reply& reply) {
  std::map<std::uint64_t, v1::Asked> by_number;
  for (std::size_t i = 1; i < reply.items.size(); i += 2) {
    v1::Asked asked;
    if (!asked.ParseFromString(reply.items[i].text)) continue;
    by_number[std::strtoull(reply.items[i - 1].text.c_str(), nullptr, 10)] = std::move(asked);
  }
  std::vector<v1::Asked> all;
  all.reserve(by_number.size());
  for (auto& [number, asked] : by_number) all.push_back(std::move(asked));
  return all;
}

}  // namespace parley::session
