#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "libs/rpc/link.h"
#include "libs/session/queue.h"
#include "services/c2s/context.h"
#include "services/c2s/sm/remembered.h"
#include "services/c2s/sm/stored_queue.h"
#include "services/c2s/sm/unacked.h"

namespace parley::c2s {

class Session;

// What a session with stream management has for its client and the client has not acknowledged (XEP-0198 section 4). A
// stanza is the router's until Redis has it, and only then is it written to the client: so that whoever resumes the
// session after our end knows of all that the client may have seen. While Redis is away stanzas go to the client at
// once, and stay the router's until the client acknowledges them or Redis is back.
class Outbound {
 public:
  // Of the client's stanzas, those up to `handled` are.
  Outbound(Session& session, Context& context, std::string queue, std::uint64_t handled);

  StoredQueue& queue() { return queue_; }
  Unacked& unacked() { return unacked_; }
  Remembered& remembered() { return remembered_; }

  // `mark`: session::MarkOf it.
  void Push(std::unique_ptr<link::v1::Envelope> envelope, const session::Mark& mark, rpc::Receipt receipt);
  // The client answered the request `id` of `from`, which it may not have acknowledged.
  void MarkReplied(std::string_view id, std::string_view from);
  // What another edge left, when the session was claimed from it.
  void Adopt(session::QueueContents contents, const session::v1::Record& record);
  // Others added to the queue, of which Redis had confirmed all up to `logged`. False: not all is taken.
  bool Merge(session::QueueContents contents, std::uint64_t logged);

  // Its client is back, and has counted to `h`: if the edge that died wrote to it what the queue has not, what came
  // into the queue after that has its numbers behind `h`.
  void CountFrom(std::uint32_t h);

  // The client got `h` stanzas of ours, modulo 2^32.
  enum class Verdict { kFine, kTooHigh };
  Verdict Acknowledge(std::uint32_t h);
  // A stream is there: what the client has not acknowledged is written, again.
  void Attach();
  // Writes what the client may see.
  void WriteOut();
  // Number of the last that was ever written to the client, and as XEP-0198 counts.
  std::uint64_t written() const { return written_ever_; }
  std::uint32_t sent() const { return static_cast<std::uint32_t>(written_ever_); }

 private:
  Session& session_;
  Context& context_;
  Unacked unacked_;
  Remembered remembered_;
  StoredQueue queue_;
  std::uint64_t written_ = 0;       // to the present stream
  std::uint64_t written_ever_ = 0;  // to any
  // Behind this number others may have written to the client what is not in the queue, and nobody has since.
  std::optional<std::uint64_t> unsure_after_;
};

}  // namespace parley::c2s
