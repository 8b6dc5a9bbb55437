#include "services/router/sessions.h"

#include <algorithm>
#include <chrono>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/base/unix_time.h"
#include "libs/storage/lease.h"
#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

// Of a write in one turn of the account: two routers that both believe to be its home.
constexpr int kTries = 4;

session::v1::Bound Refused(std::string condition, std::string text) {
  session::v1::Bound bound;
  bound.set_condition(std::move(condition));
  bound.set_text(std::move(text));
  return bound;
}

Record NewRecord(const session::v1::Bind& bind, const std::string& resource) {
  Record record;
  record.set_resource(resource);
  record.set_session(bind.session());
  record.set_node(bind.node());
  record.set_node_epoch(bind.node_epoch());
  record.set_bound_at(UnixMilliseconds());
  record.set_address(bind.address());
  record.set_mechanism(bind.mechanism());
  record.set_anonymous(bind.anonymous());
  record.set_revision(1);
  return record;
}

}  // namespace

Sessions::Sessions(const Parts& parts, const Options& options) : parts_(parts), options_(options) {}

// RFC 6120 7.7.2.2, and 7.6.2.1 for the limit.
Sessions::Verdict Sessions::Judge(Account& account, session::v1::Conflict policy, std::string& resource) const {
  const Session* other = account.WithResource(resource);
  if (other != nullptr && !other->away() && !parts_.nodes.Dead(other->record)) {
    if (policy == session::v1::CONFLICT_REFUSE_NEW) return Verdict::kRefuse;
    if (policy == session::v1::CONFLICT_NEW_RESOURCE) {
      resource = RandomId();
      other = nullptr;
    }
  }
  if (other == nullptr && account.sessions().size() >= options_.max_resources) return Verdict::kFull;
  return Verdict::kBind;
}

Task<session::v1::Bound> Sessions::Bind(Account& account, session::v1::Bind bind) {
  session::v1::Bound bound;
  std::string resource = bind.resource();
  for (int i = 0; i < kTries; ++i) {
    if (const Session* mine = account.WithId(bind.session())) {  // asked again after a fault
      bound.set_jid(account.FullJid(*mine));
      co_return bound;
    }
    switch (Judge(account, bind.conflict(), resource)) {
      case Verdict::kRefuse:
        co_return Refused("conflict", "The resource is in use");
      case Verdict::kFull:
        parts_.metrics.limits_resources.Increment();
        co_return Refused("resource-constraint", "The account has too many sessions");
      case Verdict::kBind:
        break;
    }
    Record record = NewRecord(bind, resource);
    const Session* other = account.WithResource(resource);
    const std::string displaced = other == nullptr ? std::string() : other->id();
    parts_.store.index().Add(account.bare(), record);
    const bool asked = parts_.store.up();
    const auto written = co_await Occupy(account, record);
    if (!written) {
      if (asked && !parts_.store.up()) parts_.store.NoteUnknown(record.session());
      co_return Refused("resource-constraint", "Sessions cannot be bound at the moment; try later");
    }
    if (*written == SessionStore::Write::kConflict) {
      const bool reloaded = co_await parts_.accounts.Reload(account);
      if (!reloaded) co_return Refused("resource-constraint", "Sessions cannot be bound at the moment; try later");
      continue;
    }
    if (!displaced.empty()) co_await Displace(account, displaced);
    account.sessions().emplace_back().record = std::move(record);
    bound.set_jid(account.FullJid(account.sessions().back()));
    NoteBound(bind);
    co_return bound;
  }
  co_return bound;
}

Task<Result<SessionStore::Loaded>> Sessions::LoadOrBind(session::v1::Bind bind) {
  auto loaded = co_await parts_.store.LoadOrPut(bind.account(), NewRecord(bind, bind.resource()));
  const bool bound = loaded && loaded->sessions.size() == 1 && loaded->sessions.front().session() == bind.session();
  if (bound) NoteBound(bind);
  co_return loaded;
}

void Sessions::NoteBound(const session::v1::Bind& bind) {
  parts_.metrics.sessions_bound.Increment();
  log::Debug("session_bound", {{"session", bind.session()}, {"node", bind.node()}});
}

// What the session was before Redis lost it, rather than what its edge knows of it.
bool Sessions::Remember(Account& account, Record& record) {
  auto& vanished = account.vanished();
  const auto known = std::find_if(vanished.begin(), vanished.end(),
                                  [&](const Session& session) { return session.id() == record.session(); });
  if (known == vanished.end()) return false;
  known->record.set_node(record.node());
  known->record.set_node_epoch(record.node_epoch());
  record = std::move(known->record);
  vanished.erase(known);
  return true;
}

// Writes `next`; who has its resource loses it.
Task<Result<SessionStore::Write>> Sessions::Occupy(Account& account, Record next) {
  const Session* other = account.WithResource(next.resource());
  SessionStore::Expected expected;
  if (other != nullptr) expected = SessionStore::As(other->record);
  if (other == nullptr || other->record.queue().empty()) {
    co_return co_await parts_.store.Put(account.bare(), std::move(next), std::move(expected));
  }
  co_return co_await parts_.store.Retire(account.bare(), other->record, std::move(expected), std::move(next));
}

Task<Sessions::Restored> Sessions::Restore(Account& account, Record record) {
  const bool unnoticed = Remember(account, record);
  record.clear_away_since();
  for (int i = 0; i < kTries; ++i) {
    // What Update would keep for later is gone when an emptied Redis comes back: the edge has to ask again.
    if (!parts_.store.up()) co_return Restored::kFailed;
    if (account.WithId(record.session()) != nullptr) co_return co_await Move(account, std::move(record));
    const auto over = co_await IsOver(account, record);
    if (!over) co_return Restored::kFailed;
    if (*over) co_return Restored::kRefused;
    const Session* other = account.WithResource(record.resource());
    if (other != nullptr && !parts_.nodes.Dead(other->record)) co_return Restored::kRefused;
    const std::string displaced = other == nullptr ? std::string() : other->id();
    // None that it has had: what was decided on before it was gone must not meet what is put back.
    record.set_revision(static_cast<std::uint64_t>(UnixMilliseconds()));
    parts_.store.index().Add(account.bare(), record);
    const auto written = co_await Occupy(account, record);
    if (!written) co_return Restored::kFailed;
    if (*written == SessionStore::Write::kConflict) {
      const bool reloaded = co_await parts_.accounts.Reload(account);
      if (!reloaded) co_return Restored::kFailed;
      continue;
    }
    if (!displaced.empty()) co_await Displace(account, displaced);
    account.sessions().emplace_back().record = std::move(record);
    co_return unnoticed ? Restored::kUnnoticed : Restored::kReappeared;
  }
  co_return Restored::kFailed;
}

// Redis has the session: another epoch of its node takes it.
Task<Sessions::Restored> Sessions::Move(Account& account, Record record) {
  const Record before = account.WithId(record.session())->record;
  // Another name of the queue: it was resumed elsewhere.
  const auto claimed = [&](const Record& r) {
    return !r.queue().empty() && !record.queue().empty() && r.queue() != record.queue();
  };
  // The edge has said so under a later lease since: its questions may come by different routers.
  const auto outdated = [&](const Record& r) { return storage::IsLater(r.node_epoch(), record.node_epoch()); };
  if (claimed(before)) co_return Restored::kRefused;
  if (outdated(before)) co_return Restored::kUnnoticed;
  parts_.store.index().Add(account.bare(), record);
  Change move = [&](Record& r) {
    if (claimed(r) || outdated(r)) return;
    r.set_node(record.node());
    r.set_node_epoch(record.node_epoch());
    life::Apply(life::Event::kPutBack, r);
    if (!r.queue().empty() || record.queue().empty()) return;
    r.set_queue(record.queue());  // Redis came back with what it was some time ago
    r.set_resume_ms(record.resume_ms());
  };
  const Written written = co_await Write(account, record.session(), move);
  const Session* now = account.WithId(record.session());
  // Its edge has to ask again, also if the session vanished meanwhile.
  if (written != Written::kDone || now == nullptr) co_return Restored::kFailed;
  if (claimed(now->record)) co_return Restored::kRefused;
  parts_.metrics.session_events.Add(life::Event::kPutBack);
  if (Edges::MarkOf(before) != Edges::MarkOf(record)) parts_.store.index().Remove(account.bare(), before);
  co_return Restored::kUnnoticed;
}

// A session with a queue that ended while its edge was cut off: what the edge has of it was handled again already.
Task<Result<bool>> Sessions::IsOver(Account& account, Record record) {
  if (record.queue().empty()) co_return false;
  if (parts_.store.ending(record.session())) co_return true;
  const auto handled = co_await parts_.store.RecallEnded(account.bare(), record.session());
  if (!handled) co_return handled.error();
  if (handled->has_value()) co_return true;
  // That is not kept of one that its client closed, at another edge: nobody would resume it.
  co_return co_await parts_.store.IsFinished(account.bare(), record.session());
}

Task<Sessions::Written> Sessions::Write(Account& account, std::string session_id, Change change) {
  for (int i = 0; i < kTries; ++i) {
    const bool undecided = parts_.redis.undecided();
    co_await parts_.redis.Decide();
    if (undecided && parts_.redis.away()) co_return Written::kNoSession;  // those that told us tell another router
    Session* session = account.WithId(session_id);
    if (session == nullptr) co_return Written::kNoSession;
    if (!parts_.store.up()) co_return Written::kNoRedis;
    Record next = session->record;
    change(next);
    next.set_revision(next.revision() + 1);
    const auto written = co_await parts_.store.Put(account.bare(), next, SessionStore::As(session->record));
    if (written && *written == SessionStore::Write::kDone) {
      session->record = std::move(next);
      session->unsaved = session->outdated = false;
      co_return Written::kDone;
    }
    if (!written) {
      if (parts_.store.up()) co_return Written::kNoRedis;  // it would refuse the same again
      continue;
    }
    co_await parts_.accounts.Reload(account);  // lost to another router
  }
  co_return Written::kNoRedis;
}

Task<bool> Sessions::Update(Account& account, std::string session_id, Change change) {
  const Written written = co_await Write(account, session_id, change);
  Session* session = account.WithId(session_id);
  if (written == Written::kNoSession || session == nullptr) co_return false;
  if (written == Written::kDone) co_return true;
  Record next = session->record;
  change(next);
  KeepUnsaved(account, *session, std::move(next));
  co_return true;
}

void Sessions::KeepUnsaved(const Account& account, Session& session, Record next) {
  session.record = std::move(next);
  session.unsaved = true;
  session.outdated = parts_.store.up();  // Redis may take what others write before us
  if (parts_.store.up()) parts_.accounts.SaveLater(account);
}

Task<bool> Sessions::NoteUnlogged(Account& account, std::string id, link::v1::Unlogged unlogged) {
  Session* session = account.WithId(id);
  if (session == nullptr || session->record.queue() != unlogged.queue()) co_return true;
  Change note = [unlogged](Record& record) {
    if (record.queue() == unlogged.queue()) record.set_unlogged_after(unlogged.after());
  };
  if (parts_.store.up()) co_return co_await Update(account, std::move(id), note);
  Record next = session->record;
  note(next);
  KeepUnsaved(account, *session, std::move(next));
  co_return !parts_.redis.undecided();
}

}  // namespace parley::router
