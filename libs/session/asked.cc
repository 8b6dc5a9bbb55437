#include "libs/session/asked.h"

#include <charconv>
#include <map>

namespace parley::session {
namespace {

// Redis being away is noticed by all others.
void Ignore(const Result<storage::Reply>&) {}

std::string AnswerField(std::uint64_t number) { return "a" + std::to_string(number); }

std::uint64_t NumberIn(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

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

void NoteAnswer(storage::Redis& redis, const std::string& key, std::uint64_t number, std::uint64_t answer,
                std::function<void()> done) {
  redis.Command({"HSET", key, AnswerField(number), std::to_string(answer)},
                [done = std::move(done)](const Result<storage::Reply>&) { done(); });
}

void ForgetAsked(storage::Redis& redis, const std::string& key, std::uint64_t number) {
  redis.Command({"HDEL", key, std::to_string(number), AnswerField(number)}, Ignore);
}

void ForgetAllAsked(storage::Redis& redis, const std::string& key) { redis.Command({"DEL", key}, Ignore); }

const storage::Script& TakeAskedScript() {
  static const storage::Script script(R"(
    local asked = redis.call('HGETALL', KEYS[1])
    redis.call('DEL', KEYS[1])
    return asked)");
  return script;
}

std::string TakenKey(std::string_view bare_jid, std::string_view session, std::string_view taker) {
  return AskedKey(bare_jid, session).append(":").append(taker);
}

const storage::Script& TakeAskedAsideScript() {
  static const storage::Script script(R"(
    local asked = redis.call('HGETALL', KEYS[1])
    for i = 1, #asked, 2 do redis.call('HSET', KEYS[2], asked[i], asked[i + 1]) end
    redis.call('DEL', KEYS[1])
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
    return redis.call('HGETALL', KEYS[2]))");
  return script;
}

std::vector<v1::Asked> DecodeAsked(const storage::Reply& reply) {
  std::map<std::uint64_t, v1::Asked> by_number;
  for (std::size_t i = 1; i < reply.items.size(); i += 2) {
    const std::string_view field = reply.items[i - 1].text;
    const std::string& value = reply.items[i].text;
    if (field.starts_with('a')) {
      by_number[NumberIn(field.substr(1))].set_answer(NumberIn(value));
    } else {
      by_number[NumberIn(field)].MergeFromString(value);
    }
  }
  std::vector<v1::Asked> all;
  all.reserve(by_number.size());
  for (auto& [number, asked] : by_number) {
    if (!asked.from().empty()) all.push_back(std::move(asked));
  }
  return all;
}

}  // namespace parley::session
