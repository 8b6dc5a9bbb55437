#include "libs/session/queue.h"

#include <algorithm>

namespace parley::session {
namespace {

Result<Ok> Done(const Result<storage::Reply>& reply) {
  if (!reply) return reply.error();
  return Ok{};
}

}  // namespace

std::string QueueKey(std::string_view bare_jid, std::string_view queue) {
  std::string key = "parley:q:{";
  return key.append(bare_jid).append("}:").append(queue);
}

std::string Encode(const v1::QueueHeader& header) {
  v1::QueueElement element;
  *element.mutable_header() = header;
  return element.SerializeAsString();
}

std::string Encode(link::v1::Envelope& envelope, std::int64_t at, std::uint64_t handled) {
  v1::QueueElement element;
  auto& queued = *element.mutable_stanza();
  queued.set_at(at);
  queued.set_handled(handled);
  // Lent, not copied.
  queued.unsafe_arena_set_allocated_envelope(&envelope);
  std::string bytes = element.SerializeAsString();
  queued.unsafe_arena_release_envelope();
  return bytes;
}

Result<QueueContents> DecodeQueue(const storage::Reply& reply) {
  QueueContents contents;
  bool headed = false;
  std::uint64_t handled = 0;
  for (const auto& item : reply.items) {
    v1::QueueElement element;
    if (!element.ParseFromString(item.text)) return Error("an element of the queue does not parse");
    if (element.has_header()) {
      headed = true;
      handled = std::max(handled, element.header().handled());
      contents.header = std::move(*element.mutable_header());
      contents.stanzas.clear();
    } else {
      handled = std::max(handled, element.stanza().handled());
      contents.stanzas.push_back(std::move(*element.mutable_stanza()));
    }
  }
  if (!headed) return Error(kNoQueue);
  contents.header.set_handled(handled);
  return contents;
}

void Append(storage::Redis& redis, const std::string& key, std::string_view element,
            std::function<void(Result<std::uint64_t>)> done) {
  redis.Command({"RPUSHX", key, element}, [done = std::move(done)](Result<storage::Reply> reply) {
    if (!reply) return done(reply.error());
    done(static_cast<std::uint64_t>(reply->integer));
  });
}

void SetHeader(storage::Redis& redis, const std::string& key, const v1::QueueHeader& header,
               std::function<void(Result<Ok>)> done) {
  redis.Command({"LSET", key, "0", Encode(header)},
                [done = std::move(done)](const Result<storage::Reply>& reply) { done(Done(reply)); });
}

void Trim(storage::Redis& redis, const std::string& key, std::uint64_t count, const v1::QueueHeader& header,
          std::function<void(Result<Ok>)> done) {
  const std::string index = std::to_string(count);
  // The header takes the place of the last one that goes: from then on it counts.
  redis.Command({"LSET", key, index, Encode(header)}, [](const Result<storage::Reply>&) {});
  redis.Command({"LTRIM", key, index, "-1"},
                [done = std::move(done)](const Result<storage::Reply>& reply) { done(Done(reply)); });
}

void Load(storage::Redis& redis, const std::string& key, std::function<void(Result<QueueContents>)> done) {
  redis.Command({"LRANGE", key, "0", "-1"}, [done = std::move(done)](const Result<storage::Reply>& reply) {
    if (!reply) return done(reply.error());
    done(DecodeQueue(*reply));
  });
}

void Rebuild(storage::Redis& redis, const std::string& key, const std::vector<std::string>& elements,
             std::function<void(Result<Ok>)> done) {
  static const storage::Script script(R"(
    redis.call('DEL', KEYS[1])
    for i = 1, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
    return 1)");
  const std::vector<std::string_view> arguments(elements.begin(), elements.end());
  redis.Eval(script, {key}, arguments,
             [done = std::move(done)](const Result<storage::Reply>& reply) { done(Done(reply)); });
}

}  // namespace parley::session
