#include "libs/session/queue.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstring>

#include "libs/base/ids.h"
#include "libs/storage/lease.h"

namespace parley::session {
namespace {

Result<Ok> Done(const Result<storage::Reply>& reply) {
  if (!reply) return reply.error();
  return Ok{};
}

using google::protobuf::io::CodedOutputStream;

// Types in the tags of fields.
constexpr std::uint32_t kNumber = 0;
constexpr std::uint32_t kBytes = 2;
std::uint32_t Tag(int field, std::uint32_t type) { return static_cast<std::uint32_t>(field) << 3 | type; }

// Protobuf's wire format, written where the order of fields matters to us. Field numbers below 16 have tags of a byte.
std::size_t SizeOfNumber(std::uint64_t number) { return 1 + CodedOutputStream::VarintSize64(number); }
std::size_t SizeOfBytes(std::size_t size) { return SizeOfNumber(size) + size; }

std::uint8_t* WriteNumber(std::uint8_t* to, int field, std::uint64_t number) {
  to = CodedOutputStream::WriteTagToArray(Tag(field, kNumber), to);
  return CodedOutputStream::WriteVarint64ToArray(number, to);
}
std::uint8_t* WriteSize(std::uint8_t* to, int field, std::size_t size) {
  to = CodedOutputStream::WriteTagToArray(Tag(field, kBytes), to);
  return CodedOutputStream::WriteVarint64ToArray(size, to);
}

// Those that are acknowledged are not the queue's any more. False: the header counts more than the first element has.
bool Skip(QueueContents& contents) {
  const std::uint32_t skip = contents.header.skip();
  if (skip != 0 && (contents.counts.empty() || skip >= contents.counts.front())) return false;
  contents.stanzas.erase(contents.stanzas.begin(), contents.stanzas.begin() + skip);
  return true;
}

}  // namespace

Mark MarkOf(const link::v1::Envelope& envelope) {
  if (envelope.answers() != 0) return {};
  if (!envelope.unacknowledged_by().empty()) {
    return {StableHash(OriginOfUnacknowledged(envelope.unacknowledged_by())), envelope.unacknowledged_number()};
  }
  if (!envelope.origin().empty()) return {StableHash(envelope.origin()), envelope.origin_seq()};
  if (envelope.origin_seq() == 0) return {};
  return {StableHash(envelope.from(), envelope.origin_seq()), 1};
}

std::string OriginOfUnacknowledged(std::string_view session) {
  return std::string("unacknowledged by ").append(session);
}

v1::Answered AnsweredBy(const link::v1::Envelope& envelope) {
  v1::Answered answered;
  answered.set_number(envelope.answers());
  answered.set_id(StableHash(envelope.id()));
  return answered;
}

bool IsAnswer(const v1::Answered& answered, std::uint64_t number, std::string_view id) {
  return answered.number() == number && !id.empty() && answered.id() == StableHash(id);
}

std::string QueueKey(std::string_view bare_jid, std::string_view queue) {
  std::string key = "parley:q:{";
  return key.append(bare_jid).append("}:").append(queue);
}

// No resource has a line feed (RFC 7622 3.4).
std::string RetiredField(std::string_view session) { return std::string("\n").append(session); }

std::string Encode(const v1::QueueHeader& header) {
  v1::QueueElement element;
  *element.mutable_header() = header;
  return element.SerializeAsString();
}

std::string Encode(link::v1::Envelope& envelope, std::int64_t at, std::uint64_t handled) {
  const Encoding encoding(envelope, at, handled);
  std::string bytes(encoding.size(), '\0');
  encoding.Write(bytes.data());
  return bytes;
}

Encoding::Encoding(link::v1::Envelope& envelope, std::int64_t at, std::uint64_t handled)
    : envelope_(envelope), at_(static_cast<std::uint64_t>(at)), handled_(handled) {
  stanza_.swap(*envelope.mutable_stanza());
  enveloped_ = envelope.ByteSizeLong() + SizeOfBytes(stanza_.size());
  queued_ = SizeOfNumber(at_) + (handled == 0 ? 0 : SizeOfNumber(handled)) + SizeOfBytes(enveloped_);
  size_ = SizeOfBytes(queued_);
}

Encoding::~Encoding() { stanza_.swap(*envelope_.mutable_stanza()); }

void Encoding::Write(char* bytes) const {
  auto* to = reinterpret_cast<std::uint8_t*>(bytes);
  to = WriteSize(to, v1::QueueElement::kStanzaFieldNumber, queued_);
  to = WriteNumber(to, v1::Queued::kAtFieldNumber, at_);
  if (handled_ != 0) to = WriteNumber(to, v1::Queued::kHandledFieldNumber, handled_);
  to = WriteSize(to, v1::Queued::kEnvelopeFieldNumber, enveloped_);
  to = envelope_.SerializeWithCachedSizesToArray(to);
  to = WriteSize(to, link::v1::Envelope::kStanzaFieldNumber, stanza_.size());
  std::memcpy(to, stanza_.data(), stanza_.size());  // std::copy goes by bytes where types differ
}

Result<QueueContents> DecodeQueue(const storage::Reply& reply) {
  QueueContents contents;
  contents.length = reply.items.size();
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
      contents.counts.clear();
      continue;
    }
    const std::size_t before = contents.stanzas.size();
    if (element.has_packed()) {
      handled = std::max(handled, element.packed().handled());
      if (!Unpack(element.packed(), contents.stanzas)) return Error("an element of the queue does not unpack");
    } else if (!element.has_stanza()) {
      return Error("an element of the queue is of an unknown kind");
    } else {
      handled = std::max(handled, element.stanza().handled());
      contents.stanzas.push_back(std::move(*element.mutable_stanza()));
    }
    contents.counts.push_back(static_cast<std::uint32_t>(contents.stanzas.size() - before));
  }
  if (!headed) return Error(kNoQueue);
  if (!Skip(contents)) return Error("the header of the queue skips what is not there");
  contents.header.set_handled(handled);
  return contents;
}

void Supersede(QueueContents& contents, v1::QueueHeader header) {
  const std::uint64_t acked = contents.header.acked();
  const std::uint64_t more = header.acked() - std::min(acked, header.acked());
  const auto gone = std::min<std::uint64_t>(more, contents.stanzas.size());
  contents.stanzas.erase(contents.stanzas.begin(), contents.stanzas.begin() + static_cast<std::ptrdiff_t>(gone));
  header.set_acked(acked + gone);
  header.set_handled(std::max(header.handled(), contents.header.handled()));
  contents.header = std::move(header);
}

void Append(storage::Redis& redis, const std::string& key, const std::vector<Element>& elements,
            std::function<void(Result<std::uint64_t>)> done) {
  std::vector<std::string_view> words;
  words.reserve(elements.size() + 2);
  words.assign({"RPUSHX", key});
  for (const Element& element : elements) words.push_back(element.bytes);
  redis.Command(words, [done = std::move(done)](Result<storage::Reply> reply) {
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
  // The header takes the place of the last one that goes. Both or none: also when Redis is out of memory.
  static const storage::Script script(R"(
    redis.call('LSET', KEYS[1], ARGV[1], ARGV[2])
    redis.call('LTRIM', KEYS[1], ARGV[1], -1)
    return 1)");
  redis.Eval(script, {key}, {std::to_string(count), Encode(header)},
             [done = std::move(done)](const Result<storage::Reply>& reply) { done(Done(reply)); });
}

void Load(storage::Redis& redis, const std::string& key, std::function<void(Result<QueueContents>)> done) {
  redis.Command({"LRANGE", key, "0", "-1"}, [done = std::move(done)](const Result<storage::Reply>& reply) {
    if (!reply) return done(reply.error());
    done(DecodeQueue(*reply));
  });
}

void Rebuild(storage::Redis& redis, const std::string& key, const Owner& owner, std::size_t length,
             const v1::QueueHeader& header, const std::vector<Element>& elements,
             std::function<void(Result<bool>)> done) {
  static const storage::Script script(R"(
    if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
    if ARGV[1] == '0' then
      if redis.call('HEXISTS', KEYS[2], ARGV[4]) == 1 then return 0 end
      local record = redis.call('HGET', KEYS[2], ARGV[2])
      if record and string.match(record, '^[^ ]*') ~= ARGV[3] then return 0 end
      if record and not string.find(record, ARGV[5], 1, true) then return 0 end
    end
    redis.call('DEL', KEYS[1])
    for i = 6, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
    return 1)");
  const std::string expected = std::to_string(length);
  const std::string retired = RetiredField(owner.session);
  const std::string first = Encode(header);
  std::vector<std::string_view> arguments{expected, owner.resource, owner.session, retired, owner.queue, first};
  for (const Element& element : elements) arguments.push_back(element.bytes);
  redis.Eval(script, {key, storage::SessionsKey(owner.bare_jid)}, arguments,
             [done = std::move(done)](const Result<storage::Reply>& reply) {
               if (!reply) return done(reply.error());
               done(reply->integer == 1);
             });
}

}  // namespace parley::session
