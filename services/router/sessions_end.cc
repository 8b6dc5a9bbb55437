#include <algorithm>
#include <chrono>

#include "libs/base/log.h"
#include "libs/storage/lease.h"
#include "libs/xmpp/jid.h"
#include "services/router/sessions.h"

namespace parley::router {
namespace {

constexpr int kTries = 4;

// We take it for lost; its edge may not.
bool IsDoubtful(std::optional<life::Event> event) {
  return event == life::Event::kEdgeLost || event == life::Event::kLetGo || event == life::Event::kUnknown;
}

// By which the contacts' edges know that they were told: who finds the record after a crash tells them again. One that
// is put back has a revision that it never had.
Origin OriginOfEnd(const Record& gone) {
  Origin origin;
  origin.session = "end of " + gone.session();
  origin.seq = gone.revision();
  origin.repeat = true;
  return origin;
}

}  // namespace

bool Sessions::MayHappen(const Session& session, life::Event event) const {
  if (life::Next(session.state(), event)) return true;
  parts_.metrics.session_events.AddImpossible();
  log::Error("session_event_impossible",
             {{"session", session.id()}, {"state", life::Name(session.state())}, {"event", life::Name(event)}});
  return false;
}

// With a queue: from now on nobody adds to it or resumes the session. kElsewhere: it has another owner than it had, or
// is over.
Task<Sessions::Retired> Sessions::Retire(Account& account, std::string session_id) {
  const Session* session = account.WithId(session_id);
  if (session == nullptr || session->record.queue().empty()) co_return Retired::kDone;  // or Redis has lost it
  const Record before = session->record;
  for (int i = 0; i < kTries; ++i) {
    const auto written =
        co_await parts_.store.Retire(account.bare(), session->record, SessionStore::As(session->record), Record());
    if (!written) co_return Retired::kLater;
    if (*written == SessionStore::Write::kDone) co_return Retired::kDone;
    const bool reloaded = co_await parts_.accounts.Reload(account);
    if (!reloaded) co_return Retired::kLater;
    session = account.WithId(session_id);
    if (session == nullptr || session->record.queue() != before.queue()) co_return Retired::kElsewhere;
    if (Edges::MarkOf(session->record) != Edges::MarkOf(before)) co_return Retired::kElsewhere;
  }
  co_return Retired::kLater;
}

// What we took for lost may be put back by its edge, by way of a router that does not know of that (one that has a
// queue is retired, which all can see). Those who were told that it is gone are told that it is there.
SessionStore::PutBack Sessions::ShowAgain(const Account& account, const Gone& gone) {
  if (!IsDoubtful(gone.event)) return nullptr;
  return [this, bare = account.bare(), id = gone.record.session()] {
    log::Info("session_put_back_elsewhere", {{"session", id}});
    const std::string key = storage::SessionsKey(bare);
    parts_.accounts.Invalidate(&key);  // what was read meanwhile is without it
    AccountTable::Job job;
    job.run = [this, id](Account& a) { return parts_.show(a, id); };
    parts_.accounts.Post(bare, std::move(job));
  };
}

// Nobody in this router sees it any more.
Sessions::Gone Sessions::Take(Account& account, const std::string& session_id, life::Event event, std::string reason) {
  auto& all = account.WithId(session_id) != nullptr ? account.sessions() : account.vanished();
  const auto place = std::find_if(all.begin(), all.end(), [&](const Session& s) { return s.id() == session_id; });
  Gone gone;
  gone.record = std::move(place->record);
  gone.reason = std::move(reason);
  gone.event = event;
  if (&all == &account.vanished()) gone.record.clear_queue();  // it went with the record
  all.erase(place);
  parts_.metrics.sessions_ended.Increment();
  parts_.metrics.session_events.Add(event);
  log::Debug("session_ended", {{"session", gone.record.session()}, {"reason", gone.reason}});
  return gone;
}

// What it leaves goes before all that waits for the account: what its client did not acknowledge, then what its edge
// did not get. The record goes with the last copy of the receipt that is returned: who finds it still there after a
// crash does all this again.
Task<Sessions::Buried> Sessions::Bury(Account& account, Gone gone, Receipt receipt) {
  co_await parts_.edges.Settled(gone.record);  // else what its edge refuses would come behind what is new
  const bool queue = !gone.record.queue().empty();
  const Record stored = queue ? SessionStore::Retired(gone.record) : gone.record;
  auto put_back = ShowAgain(account, gone);
  Receipt told = parts_.store.EraseWhenSettled(account.bare(), stored, std::move(receipt), std::move(put_back));
  Buried buried{told};
  buried.whose = co_await HandleLeft(account, gone, told);
  parts_.accounts.PostReturned(account.bare(), parts_.edges.TakeParked(gone.record));
  co_return buried;
}

Task<Unacknowledged::Whose> Sessions::HandleLeft(Account& account, const Gone& gone, Receipt told) {
  if (!gone.record.queue().empty()) {
    Unacknowledged::Ended ended{gone.record, gone.as, gone.reason, gone.header};
    co_return co_await parts_.unacknowledged.HandleAgain(account, std::move(ended), std::move(told));
  }
  // Its edge has answered for its client, too.
  if (gone.event != life::Event::kOver) {
    co_await parts_.unanswered.AnswerFor(account.bare(), gone.record, std::move(told));
  }
  co_return Unacknowledged::Whose::kOurs;
}

Task<void> Sessions::End(Account& account, std::string session_id, life::Event event, Receipt receipt,
                         link::v1::SessionEnded said) {
  if (account.Asking(session_id) == nullptr) co_return;
  const Session* known = account.WithId(session_id);  // else Redis has lost it
  if (known != nullptr && !MayHappen(*known, event)) co_return;
  const Retired retired = co_await Retire(account, session_id);
  if (retired == Retired::kElsewhere || account.Asking(session_id) == nullptr) co_return;
  Gone gone = Take(account, session_id, event, said.reason().empty() ? std::string(life::Name(event)) : said.reason());
  gone.header = std::move(*said.mutable_header());
  if (retired == Retired::kLater) gone.as = SessionStore::As(gone.record);
  const Record record = gone.record;
  Buried buried = co_await Bury(account, std::move(gone), std::move(receipt));
  co_await Farewell(account, record, std::move(buried));
}

Task<void> Sessions::Kick(Account& account, std::string session_id, std::string condition, std::string text) {
  Retired retired = Retired::kElsewhere;
  for (int i = 0; i < kTries && retired == Retired::kElsewhere; ++i) {
    const Session* session = account.WithId(session_id);
    if (session == nullptr || !MayHappen(*session, life::Event::kKicked)) co_return;
    retired = co_await Retire(account, session_id);
  }
  if (account.WithId(session_id) == nullptr) co_return;
  Gone gone = Take(account, session_id, life::Event::kKicked, condition);
  if (retired != Retired::kDone) gone.as = SessionStore::As(gone.record);
  const Record record = gone.record;
  parts_.sender.Disconnect(record, condition, text, Receipt());
  Buried buried = co_await Bury(account, std::move(gone), Receipt());
  co_await Farewell(account, record, std::move(buried));
}

// Another session took the resource: in Redis it is out of the way already.
Task<void> Sessions::Displace(Account& account, std::string session_id) {
  Gone gone = Take(account, session_id, life::Event::kDisplaced, "conflict");
  const Record record = gone.record;
  parts_.sender.Disconnect(record, "conflict", "Replaced by a new connection", Receipt());
  Buried buried = co_await Bury(account, std::move(gone), Receipt());
  PostFarewell(account.bare(), record, std::move(buried));
}

// Not awaited: it is the next that happens to this account.
void Sessions::PostFarewell(const std::string& bare, Record gone, Buried buried) {
  AccountTable::Job farewell;
  farewell.run = [this, gone = std::move(gone), buried = std::move(buried)](Account& account) {
    return Farewell(account, gone, buried);
  };
  parts_.accounts.Post(bare, std::move(farewell));
}

Task<void> Sessions::EndRetired(Account& account) {
  auto retired = std::exchange(account.retired(), {});
  for (auto& record : retired) {
    if (parts_.store.ending(record.session())) continue;
    log::Info("end_of_session_resumed", {{"session", record.session()}});
    Gone gone;
    gone.record = record;
    gone.reason = "crash";
    Buried buried = co_await Bury(account, std::move(gone), Receipt());
    // Who has the resource now may be known to all already.
    const Session* now = account.WithResource(record.resource());
    if (now == nullptr || !now->available()) co_await Farewell(account, std::move(record), std::move(buried));
  }
}

Task<void> Sessions::Farewell(Account& account, Record gone, Buried buried) {
  if (buried.whose == Unacknowledged::Whose::kAnothers) co_return;
  if (gone.presence().empty() && gone.directed().empty()) co_return;
  std::string stanza = UnavailableStanza(account, gone);
  Origin origin = OriginOfEnd(gone);
  co_await SayGone(account, std::move(gone), std::move(stanza), std::move(origin), std::move(buried.told));
}

Task<void> Sessions::SayGone(Account& account, Record gone, std::string stanza, Origin origin, Receipt receipt) {
  const auto contacts = co_await parts_.rosters.Get(account.bare());
  const Session* now = account.WithResource(gone.resource());
  if (now != nullptr && now->available() && now->id() == gone.session()) co_return;  // it is back already
  if (!contacts) {
    auto later =
        SayGoneLater(account.bare(), std::move(gone), std::move(stanza), std::move(origin), std::move(receipt));
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
