#include "services/router/reread.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace parley::router {
namespace {

bool SameClaim(const Record& a, const Record& b) {
  return a.node() == b.node() && a.node_epoch() == b.node_epoch() && a.queue() == b.queue();
}

// What may have changed while Redis was away. Who has the session is as Redis says: another may have claimed it.
void Apply(Record& unsaved, Record& record) {
  record.set_interested(unsaved.interested());
  record.set_priority(unsaved.priority());
  record.mutable_presence()->swap(*unsaved.mutable_presence());
  record.mutable_directed()->Swap(unsaved.mutable_directed());
  if (!SameClaim(record, unsaved)) return;
  if (record.away_since() == 0) record.set_away_since(unsaved.away_since());
  if (unsaved.has_unlogged_after()) record.set_unlogged_after(unsaved.unlogged_after());
}

// `before`, which an edge has, was written by another router.
void NoteChanged(Account& account, const Record& before, const Record& now) {
  if (!SameClaim(before, now)) {
    account.moved().push_back(before);
  } else if (now.away_since() != 0) {
    account.parted().push_back(before);
  }
}

const std::string& IdOf(const Session& session) { return session.id(); }
const std::string& IdOf(const Record& record) { return record.session(); }

template <class Each>
bool Has(const std::vector<Each>& all, const Session& known) {
  return std::any_of(all.begin(), all.end(), [&](const Each& each) { return IdOf(each) == known.id(); });
}

}  // namespace

void Reread(Account& account, SessionStore::Loaded loaded, RedisMeanwhile redis) {
  std::vector<Session> sessions;
  for (auto& record : loaded.sessions) {
    Session next;
    next.record = std::move(record);
    if (Session* known = account.WithId(next.id()); known != nullptr) {
      const bool written = known->record.revision() != next.record.revision();
      const bool others = written && known->stored == Session::Stored::kGiven;
      next.stored = others ? Session::Stored::kUnknown : known->stored;
      next.unsaved = known->unsaved && !(known->outdated && written);
      next.outdated = next.unsaved && known->outdated;
      next.unannounced = known->unannounced;
      if (!known->away()) NoteChanged(account, known->record, next.record);
      if (next.unsaved) Apply(known->record, next.record);
    }
    sessions.push_back(std::move(next));
  }
  if (redis == RedisMeanwhile::kAway) account.vanished().clear();
  for (auto& known : account.sessions()) {
    if (known.id().empty() || Has(sessions, known) || Has(loaded.retired, known)) continue;
    if (redis == RedisMeanwhile::kAway) {  // and may have lost it
      account.vanished().push_back(std::move(known));
    } else if (!known.away()) {
      account.parted().push_back(std::move(known.record));
    }
  }
  account.DoubtNothingStored();
  account.acknowledged().reset();
  account.sessions() = std::move(sessions);
  account.retired() = std::move(loaded.retired);
}

}  // namespace parley::router
