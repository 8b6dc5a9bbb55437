#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/result.h"
#include "libs/session/packing.h"
#include "libs/storage/redis.h"
#include "parley/session/v1/session.pb.h"

// The queue of a session with stream management (XEP-0198) in Redis: what its client has not acknowledged, and the
// counters that a resumption needs. The list is there exactly as long as its owner's claim: a claim renames it, so that
// whoever lost the session changes nothing any more and finds out by the reply. The place of a stanza among those of
// the list is its number, whoever appended it; several of one turn may be packed into one element (packing.h).
namespace parley::session {

// parley:q:{user@host}:<queue>
std::string QueueKey(std::string_view bare_jid, std::string_view queue);
// Of parley:s:{user@host}: the record of a session whose end was begun.
std::string RetiredField(std::string_view session);

// By what a repeat of a stanza for one session is recognised: what comes from one origin comes in rising order. What an
// ended session left unacknowledged comes from that session's queue, not from where it came first: it is older than
// what its sender may have sent to this session since. Roster pushes, which a service makes by itself, may come in any
// order: each has an origin of its own.
struct Mark {
  std::uint64_t origin = 0;  // hash; 0: it has no mark
  std::uint64_t seq = 0;
};
Mark MarkOf(const link::v1::Envelope& envelope);
// The name of what a session left unacknowledged, whose numbers are those of what it got: its id is the name of what it
// sent. Under it that is stored, too, so that what comes from the store has the same mark.
std::string OriginOfUnacknowledged(std::string_view session);

// What a client is answered by an envelope with `answers`.
v1::Answered AnsweredBy(const link::v1::Envelope& envelope);
bool IsAnswer(const v1::Answered& answered, std::uint64_t number, std::string_view id);

std::string Encode(const v1::QueueHeader& header);
std::string Encode(link::v1::Envelope& envelope, std::int64_t at, std::uint64_t handled);
// The same, to be written where there is room for it. The end of the element is its stanza, which the envelope has back
// when this goes.
class Encoding {
 public:
  Encoding(link::v1::Envelope& envelope, std::int64_t at, std::uint64_t handled);
  ~Encoding();
  Encoding(const Encoding&) = delete;
  Encoding& operator=(const Encoding&) = delete;

  std::size_t size() const { return size_; }
  void Write(char* bytes) const;

 private:
  link::v1::Envelope& envelope_;
  std::string stanza_;
  std::uint64_t at_;
  std::uint64_t handled_;
  // Of the parts, each within the next.
  std::size_t enveloped_;
  std::size_t queued_;
  std::size_t size_;
};

struct QueueContents {
  v1::QueueHeader header;  // `handled` is the highest that any element names
  std::vector<v1::Queued> stanzas;
  std::size_t length = 0;  // of the list
  // How many stanzas each element behind the header has, those of `header.skip` among them.
  std::vector<std::uint32_t> counts;
  std::uint64_t total() const { return header.acked() + stanzas.size(); }
};
// Its last owner knew it by this header, which did not get there: what that counts as acknowledged is gone.
void Supersede(QueueContents& contents, v1::QueueHeader header);
// The message of the Error when there is no queue of that name (any more).
inline constexpr char kNoQueue[] = "there is no such queue";
// The reply to LRANGE key 0 -1.
Result<QueueContents> DecodeQueue(const storage::Reply& reply);

// All or none. `done` gets the length of the list afterwards; 0: there is no such queue (any more), and nothing was
// appended.
void Append(storage::Redis& redis, const std::string& key, const std::vector<Element>& elements,
            std::function<void(Result<std::uint64_t>)> done);
// Replaces the header. An Error if there is no such queue.
void SetHeader(storage::Redis& redis, const std::string& key, const v1::QueueHeader& header,
               std::function<void(Result<Ok>)> done);
// Takes the oldest `count` elements out; `header` counts their stanzas as acknowledged.
void Trim(storage::Redis& redis, const std::string& key, std::uint64_t count, const v1::QueueHeader& header,
          std::function<void(Result<Ok>)> done);
void Load(storage::Redis& redis, const std::string& key, std::function<void(Result<QueueContents>)> done);
// Whose queue it is.
struct Owner {
  std::string_view bare_jid;
  std::string_view resource;
  std::string_view session;
  std::string_view queue;  // by name
};
// Makes the queue what its owner knows: after Redis lost it, or others added to it meanwhile. `done` gets false, and
// nothing is changed, if the list does not have `length` elements any more (0: it is not there), or is not there as the
// session's end was begun, or its resource is another's, or the session has another queue by now.
void Rebuild(storage::Redis& redis, const std::string& key, const Owner& owner, std::size_t length,
             const v1::QueueHeader& header, const std::vector<Element>& elements,
             std::function<void(Result<bool>)> done);

}  // namespace parley::session
