#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/result.h"
#include "libs/storage/redis.h"
#include "parley/session/v1/session.pb.h"

// The queue of a session with stream management (XEP-0198) in Redis: what its client has not acknowledged, and the
// counters that a resumption needs. The list is there exactly as long as its owner's claim: a claim renames it, so that
// whoever lost the session changes nothing any more and finds out by the reply. The position of a stanza in the list is
// its number, whoever appended it.
namespace parley::session {

// parley:q:{user@host}:<queue>
std::string QueueKey(std::string_view bare_jid, std::string_view queue);

std::string Encode(const v1::QueueHeader& header);
// The envelope is only read.
std::string Encode(link::v1::Envelope& envelope, std::int64_t at, std::uint64_t handled);

struct QueueContents {
  v1::QueueHeader header;  // `handled` is the highest that any element names
  std::vector<v1::Queued> stanzas;
  std::uint64_t total() const { return header.acked() + stanzas.size(); }
};
// The message of the Error when there is no queue of that name (any more).
inline constexpr char kNoQueue[] = "there is no such queue";
// The reply to LRANGE key 0 -1.
Result<QueueContents> DecodeQueue(const storage::Reply& reply);

// `done` gets the length of the list afterwards; 0: there is no such queue (any more), and nothing was appended.
void Append(storage::Redis& redis, const std::string& key, std::string_view element,
            std::function<void(Result<std::uint64_t>)> done);
// Replaces the header. An Error if there is no such queue.
void SetHeader(storage::Redis& redis, const std::string& key, const v1::QueueHeader& header,
               std::function<void(Result<Ok>)> done);
// Takes the oldest `count` stanzas out; `header` counts them as acknowledged. A fault in between harms nothing.
void Trim(storage::Redis& redis, const std::string& key, std::uint64_t count, const v1::QueueHeader& header,
          std::function<void(Result<Ok>)> done);
void Load(storage::Redis& redis, const std::string& key, std::function<void(Result<QueueContents>)> done);
// Makes the queue what its owner knows, whatever it was: after Redis lost it, or others added to it meanwhile.
void Rebuild(storage::Redis& redis, const std::string& key, const std::vector<std::string>& elements,
             std::function<void(Result<Ok>)> done);

}  // namespace parley::session
