#include "services/router/sessions.h"

#include <algorithm>
#include <chrono>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

// Of a write in one turn of the account: two routers that both believe to be its home.
constexpr int kTries = 4;

std::int64_t NowMilliseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

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
  record.set_bound_at(NowMilliseconds());
  record.set_address(bind.address());
  record.set_mechanism(bind.mechanism());
  record.set_anonymous(bind.anonymous());
  record.set_revision(1);
  return record;
}

SessionStore::Expected As(const Session* session) {
  SessionStore::Expected expected;
  if (session == nullptr) return expected;
  expected.session = session->id();
  expected.revision = session->record.revision();
  return expected;
}

}  // namespace

Sessions::Sessions(const Parts& parts, const Options& options) : parts_(parts), options_(options) {}

// RFC 6120 7.7.2.2, and 7.6.2.1 for the limit.
Sessions::Verdict Sessions::Judge(Account& account, session::v1::Conflict policy, std::string& resource) const {
  const Session* other = account.WithResource(resource);
  if (other != nullptr && !parts_.nodes.Dead(other->record)) {
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
  std::string resource = bind.resource().empty() ? RandomId() : bind.resource();
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
    parts_.store.Index(account.bare(), record);
    const auto written = co_await parts_.store.Put(account.bare(), record, As(other));
    if (!written) co_return Refused("resource-constraint", "Sessions cannot be bound at the moment; try later");
    if (*written == SessionStore::Write::kConflict) {
      const bool reloaded = co_await parts_.accounts.Reload(account);
      if (!reloaded) co_return Refused("resource-constraint", "Sessions cannot be bound at the moment; try later");
      continue;
    }
    if (!displaced.empty()) Displace(account, displaced);
    account.sessions().emplace_back().record = std::move(record);
    bound.set_jid(account.FullJid(account.sessions().back()));
    parts_.metrics.sessions_bound.Increment();
    co_return bound;
  }
  co_return bound;
}

// Another session took the resource: in Redis it is gone already.
void Sessions::Displace(Account& account, const std::string& session_id) {
  Record gone = Take(account, session_id);
  parts_.sender.Disconnect(gone, "conflict", "Replaced by a new connection", Receipt());
  const std::string bare = account.bare();
  // Not awaited: it is the next that happens to this account.
  AccountTable::Job farewell;
  farewell.run = [this, gone](Account& a) { return Farewell(a, gone, Receipt()); };
  parts_.accounts.Post(bare, std::move(farewell));
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

Task<Sessions::Restored> Sessions::Restore(Account& account, Record record) {
  const bool unnoticed = Remember(account, record);
  for (int i = 0; i < kTries; ++i) {
    // What Update would keep for later is gone when an emptied Redis comes back: the edge has to ask again.
    if (!parts_.store.up()) co_return Restored::kFailed;
    if (account.WithId(record.session()) != nullptr) {
      parts_.store.Index(account.bare(), record);
      Change move = [&](Record& r) {
        r.set_node(record.node());
        r.set_node_epoch(record.node_epoch());
      };
      const bool done = co_await Update(account, record.session(), move);
      if (!parts_.store.up()) co_return Restored::kFailed;
      co_return done ? Restored::kUnnoticed : Restored::kRefused;
    }
    const Session* other = account.WithResource(record.resource());
    if (other != nullptr && !parts_.nodes.Dead(other->record)) co_return Restored::kRefused;
    const std::string displaced = other == nullptr ? std::string() : other->id();
    record.set_revision(record.revision() + 1);
    parts_.store.Index(account.bare(), record);
    const auto written = co_await parts_.store.Put(account.bare(), record, As(other));
    if (!written) co_return Restored::kFailed;
    if (*written == SessionStore::Write::kConflict) {
      const bool reloaded = co_await parts_.accounts.Reload(account);
      if (!reloaded) co_return Restored::kFailed;
      continue;
    }
    if (!displaced.empty()) Displace(account, displaced);
    account.sessions().emplace_back().record = std::move(record);
    co_return unnoticed ? Restored::kUnnoticed : Restored::kReappeared;
  }
  co_return Restored::kFailed;
}

Task<bool> Sessions::Update(Account& account, std::string session_id, Change change) {
  for (int i = 0; i < kTries; ++i) {
    Session* session = account.WithId(session_id);
    if (session == nullptr) co_return false;
    Record next = session->record;
    change(next);
    if (!parts_.store.up()) {
      session->record = std::move(next);
      session->unsaved = true;
      co_return true;
    }
    next.set_revision(next.revision() + 1);
    const auto written = co_await parts_.store.Put(account.bare(), next, As(session));
    if (written && *written == SessionStore::Write::kDone) {
      session->record = std::move(next);
      co_return true;
    }
    // Lost to another router, or in doubt: Redis knows how it stands.
    if (!written && !parts_.store.up()) continue;
    co_await parts_.accounts.Reload(account);
  }
  co_return account.WithId(session_id) != nullptr;
}

Record Sessions::Take(Account& account, const std::string& session_id) {
  auto& all = account.WithId(session_id) != nullptr ? account.sessions() : account.vanished();
  const auto place = std::find_if(all.begin(), all.end(), [&](const Session& s) { return s.id() == session_id; });
  Record gone = std::move(place->record);
  all.erase(place);
  // What its edge did not get was there before all that waits for the account.
  parts_.accounts.PostFirst(account.bare(), parts_.edges.TakeParked(gone));
  parts_.metrics.sessions_ended.Increment();
  return gone;
}

Task<void> Sessions::End(Account& account, std::string session_id, std::string reason, Receipt receipt) {
  if (account.Asking(session_id) == nullptr) co_return;
  Record gone = Take(account, session_id);
  log::Debug("session_ended", {{"session", gone.session()}, {"reason", reason}});
  co_await Farewell(account, std::move(gone), std::move(receipt));
}

// Its record goes after everybody was told: who finds it still there after a crash tells them again.
Task<void> Sessions::Farewell(Account& account, Record gone, Receipt receipt) {
  Receipt told = parts_.store.EraseWhenSettled(account.bare(), gone, std::move(receipt));
  if (gone.presence().empty() && gone.directed().empty()) co_return;
  std::string stanza = UnavailableStanza(account, gone);
  co_await SayGone(account, std::move(gone), std::move(stanza), Origin(), std::move(told));
}

Task<void> Sessions::Kick(Account& account, std::string session_id, std::string condition, std::string text) {
  if (account.WithId(session_id) == nullptr) co_return;
  Record gone = Take(account, session_id);
  parts_.sender.Disconnect(gone, condition, text, Receipt());
  co_await Farewell(account, std::move(gone), Receipt());
}

Task<void> Sessions::EndDead(Account& account) {
  std::vector<std::string> dead;
  for (const auto& session : account.sessions()) {
    if (parts_.nodes.Dead(session.record)) dead.push_back(session.id());
  }
  for (auto& id : dead) co_await End(account, std::move(id), "lost", Receipt());
}

Task<void> Sessions::SayGone(Account& account, Record gone, std::string stanza, Origin origin, Receipt receipt) {
  const auto contacts = co_await parts_.rosters.Get(account.bare());
  const Session* now = account.WithResource(gone.resource());
  if (now != nullptr && now->available() && now->id() == gone.session()) co_return;  // it is back already
  if (!contacts) {
    auto later = SayGoneLater(account.bare(), std::move(gone), std::move(stanza), std::move(origin), std::move(receipt));
    parts_.tasks.Spawn("say_gone_later", std::move(later));
    co_return;
  }
  parts_.fanout.Gone(account, gone, **contacts, stanza, origin, receipt);
  if (!gone.presence().empty()) {
    parts_.fanout.ToOwn(account, stanza, link::v1::TYPE_UNAVAILABLE, origin, receipt);
  }
}

Task<void> Sessions::SayGoneLater(std::string bare, Record gone, std::string stanza, Origin origin, Receipt receipt) {
  co_await SleepFor(std::chrono::seconds(1));
  AccountTable::Job job;
  job.run = [this, gone, stanza, origin, receipt](Account& a) { return SayGone(a, gone, stanza, origin, receipt); };
  parts_.accounts.Post(bare, std::move(job));
}

std::string Sessions::UnavailableStanza(const Account& account, const Record& gone) const {
  const std::string from = account.bare() + "/" + gone.resource();
  return xmpp::MakePresence(link::v1::TYPE_UNAVAILABLE, from, {}).stanza();
}

}  // namespace parley::router
