#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/session/queue.h"
#include "services/c2s/context.h"
#include "services/c2s/sm/entry.h"

namespace parley::c2s {

// What a client acknowledged lately, by mark: its repeat, or that of what it answers, may come when it is not in the
// queue any more, perhaps at another edge, or after the session's end. The header of the queue says so.
class Remembered {
 public:
  explicit Remembered(Context& context) : context_(context) {}

  // `handled`: of the client's own stanzas.
  void Note(const Entry& entry, std::uint64_t handled, std::int64_t now);
  // A request that the client got before it had stream management: as if it had acknowledged that.
  void NoteRequest(const session::Mark& mark, std::int64_t now);
  bool Has(const link::v1::Envelope& envelope) const;
  // Redis was told to append it, and its answer will not come any more. Of what no mark tells, and of answers.
  void NoteLate(const Entry& entry);
  // Whether it is such a one. It comes once.
  bool TakeLate(const link::v1::Envelope& envelope);
  // The queue was read: what Redis had not done by then it never will.
  void ForgetLate() { late_.clear(); }
  void Adopt(const session::v1::QueueHeader& header);
  // Without what was acknowledged before the moment `old`, and answers to what is handled.
  void Fill(session::v1::QueueHeader& header, std::int64_t old);

 private:
  struct AnswerSeen {
    std::uint64_t request;
    std::int64_t at;
  };
  void NoteSeen(const Entry& entry, std::int64_t now);
  // One by one: of messages and requests.
  void NoteNumber(session::v1::Seen& seen, std::uint64_t number);
  void NoteAnswerSeen(std::uint64_t request, std::int64_t now);
  // nullptr: there is none.
  const session::v1::Seen* Find(std::uint64_t origin) const;
  // One origin's. With too many, the one that was not used for longest goes.
  session::v1::Seen& SeenOf(std::uint64_t origin, std::int64_t now);
  session::v1::Seen& Saw(const session::Mark& mark, std::int64_t now);
  // Something is forgotten that was acknowledged at that moment.
  void CountLimit(std::string_view limit, std::int64_t at, std::int64_t now);

  Context& context_;
  std::vector<session::v1::Seen> seen_;
  std::vector<session::v1::Answered> answered_;
  std::vector<std::uint64_t> late_;       // hashes of stanzas
  std::vector<AnswerSeen> answers_seen_;  // that the client acknowledged lately, oldest first
};

}  // namespace parley::c2s
