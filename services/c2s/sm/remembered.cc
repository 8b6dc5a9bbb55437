#include "services/c2s/sm/remembered.h"

#include <algorithm>

#include "libs/base/ids.h"
#include "libs/session/acknowledged.h"
#include "services/c2s/metrics.h"

namespace parley::c2s {
void Remembered::Note(const Entry& entry, std::uint64_t handled, std::int64_t now) {
  if (entry.mark().origin != 0 && !entry.servers_own()) NoteSeen(entry, now);
  if (entry.answers() == 0) return;
  if (entry.answers() > handled) answered_.push_back(entry.Answered());
  NoteAnswerSeen(entry.answers(), now);
}

void Remembered::NoteAnswerSeen(std::uint64_t request, std::int64_t now) {
  if (answers_seen_.size() >= context_.config.c2s.sm_remember_answers) {
    CountLimit("sm_remember_answers", answers_seen_.front().at, now);
    answers_seen_.erase(answers_seen_.begin());
  }
  answers_seen_.push_back({request, now});
}

void Remembered::NoteSeen(const Entry& entry, std::int64_t now) {
  const session::Mark& mark = entry.mark();
  auto& seen = Saw(mark, now);
  const bool message = entry.kind() == link::v1::KIND_MESSAGE;
  if (!message && !entry.request()) return;
  const bool copy = message && !entry.lone_message();
  NoteNumber(copy ? SeenOf(session::OriginOfCopies(mark.origin), now) : seen, mark.seq);
}

void Remembered::NoteNumber(session::v1::Seen& seen, std::uint64_t number) {
  const bool all_known = session::NoteAcknowledged(seen, number, context_.config.c2s.sm_remember_blocks);
  if (!all_known) context_.metrics.sm_blocks_forgotten.Increment();
}

void Remembered::NoteRequest(const session::Mark& mark, std::int64_t now) {
  if (mark.origin == 0) return;
  NoteNumber(Saw(mark, now), mark.seq);
}

session::v1::Seen& Remembered::Saw(const session::Mark& mark, std::int64_t now) {
  auto& seen = SeenOf(mark.origin, now);
  seen.set_seq(std::max(seen.seq(), mark.seq));
  return seen;
}

session::v1::Seen& Remembered::SeenOf(std::uint64_t origin, std::int64_t now) {
  auto known = std::find_if(seen_.begin(), seen_.end(), [origin](const auto& seen) { return seen.origin() == origin; });
  if (known == seen_.end()) {
    if (seen_.size() >= context_.config.c2s.sm_remember_origins) {
      const auto older = [](const auto& one, const auto& other) { return one.at() < other.at(); };
      const auto oldest = std::min_element(seen_.begin(), seen_.end(), older);
      CountLimit("sm_remember_origins", oldest->at(), now);
      seen_.erase(oldest);
    }
    known = seen_.insert(seen_.end(), session::v1::Seen());
    known->set_origin(origin);
  }
  known->set_at(now);
  return *known;
}

void Remembered::CountLimit(std::string_view limit, std::int64_t at, std::int64_t now) {
  if (now - at < context_.config.c2s.sm_repeat_window.count()) context_.metrics.limits.Add(limit);
}

bool Remembered::Has(const link::v1::Envelope& envelope) const {
  if (envelope.answers() != 0) {
    return std::any_of(answers_seen_.begin(), answers_seen_.end(),
                       [&](const AnswerSeen& seen) { return seen.request == envelope.answers(); });
  }
  const session::Mark mark = session::MarkOf(envelope);
  const auto* seen = mark.origin == 0 ? nullptr : Find(mark.origin);
  return seen != nullptr && session::CountsAsAcknowledged(envelope, *seen, Find(session::OriginOfCopies(mark.origin)));
}

const session::v1::Seen* Remembered::Find(std::uint64_t origin) const {
  const auto found = std::find_if(seen_.begin(), seen_.end(), [origin](const auto& s) { return s.origin() == origin; });
  return found == seen_.end() ? nullptr : &*found;
}

void Remembered::NoteLate(const Entry& entry) {
  if (entry.servers_own() || entry.answers() != 0) late_.push_back(StableHash(entry.stanza(), entry.answers()));
}

bool Remembered::TakeLate(const link::v1::Envelope& envelope) {
  if (late_.empty() || !(IsServersOwn(envelope) || envelope.answers() != 0)) return false;
  const auto known = std::find(late_.begin(), late_.end(), StableHash(envelope.stanza(), envelope.answers()));
  if (known == late_.end()) return false;
  late_.erase(known);
  return true;
}

void Remembered::Adopt(const session::v1::QueueHeader& header) {
  seen_.assign(header.seen().begin(), header.seen().end());
  answered_.assign(header.answered().begin(), header.answered().end());
}

void Remembered::Fill(session::v1::QueueHeader& header, std::int64_t old) {
  std::erase_if(seen_, [old](const session::v1::Seen& seen) { return seen.at() < old; });
  for (const auto& seen : seen_) *header.add_seen() = seen;
  std::erase_if(answered_, [&header](const auto& answered) { return answered.number() <= header.handled(); });
  for (const auto& answered : answered_) *header.add_answered() = answered;
}

}  // namespace parley::c2s
