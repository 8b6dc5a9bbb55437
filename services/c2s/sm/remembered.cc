#include "services/c2s/sm/remembered.h"

#include <algorithm>

#include "libs/base/ids.h"
#include "libs/session/acknowledged.h"

namespace parley::c2s {
namespace {

constexpr std::size_t kMaxSeen = 128;
constexpr std::size_t kMaxAnswersSeen = 32;

// With too many, the one that was not used for longest goes.
session::v1::Seen& SeenOf(std::vector<session::v1::Seen>& all, std::uint64_t origin, std::int64_t now) {
  auto known = std::find_if(all.begin(), all.end(), [origin](const auto& seen) { return seen.origin() == origin; });
  if (known == all.end()) {
    const auto older = [](const auto& one, const auto& other) { return one.at() < other.at(); };
    if (all.size() == kMaxSeen) all.erase(std::min_element(all.begin(), all.end(), older));
    known = all.insert(all.end(), session::v1::Seen());
    known->set_origin(origin);
  }
  known->set_at(now);
  return *known;
}

}  // namespace

void Remembered::Note(const Entry& entry, std::uint64_t handled, std::int64_t now) {
  if (entry.mark().origin != 0 && !entry.servers_own()) NoteSeen(entry, now);
  if (entry.answers() == 0) return;
  if (entry.answers() > handled) answered_.push_back(entry.Answered());
  if (answers_seen_.size() == kMaxAnswersSeen) answers_seen_.erase(answers_seen_.begin());
  answers_seen_.push_back(entry.answers());
}

void Remembered::NoteSeen(const Entry& entry, std::int64_t now) {
  const session::Mark& mark = entry.mark();
  auto& seen = SeenOf(seen_, mark.origin, now);
  seen.set_seq(std::max(seen.seq(), mark.seq));
  if (entry.kind() != link::v1::KIND_MESSAGE) return;
  const bool copy = !entry.lone_message();
  session::NoteAcknowledged(copy ? SeenOf(seen_, session::OriginOfCopies(mark.origin), now) : seen, mark.seq);
}

bool Remembered::Has(const link::v1::Envelope& envelope) const {
  if (envelope.answers() != 0) {
    return std::find(answers_seen_.begin(), answers_seen_.end(), envelope.answers()) != answers_seen_.end();
  }
  const session::Mark mark = session::MarkOf(envelope);
  return std::any_of(seen_.begin(), seen_.end(), [mark](const session::v1::Seen& seen) {
    return mark.origin != 0 && seen.origin() == mark.origin && mark.seq <= seen.seq();
  });
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
