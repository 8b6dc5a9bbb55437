#include "services/router/resumption.h"

#include "libs/base/log.h"

namespace parley::router {
namespace {

constexpr int kTries = 4;

void RespondResumed(const Resumption::Respond& respond, session::v1::Resumed resumed) {
  session::v1::Answer answer;
  *answer.mutable_resumed() = std::move(resumed);
  respond(answer.SerializeAsString());
}

void RespondEnabled(const Resumption::Respond& respond, bool ok) {
  session::v1::Answer answer;
  answer.mutable_enabled()->set_ok(ok);
  respond(answer.SerializeAsString());
}

}  // namespace

Task<void> Resumption::Enable(Account& account, session::v1::Enable ask, Respond respond) {
  for (int i = 0; i < kTries; ++i) {
    Session* session = account.WithId(ask.session());
    const bool done = session != nullptr && session->record.queue() == ask.queue();
    bool managed = session == nullptr || done;
    if (!managed) managed = co_await IsManaged(account, session->record);
    session = account.WithId(ask.session());
    if (managed || session == nullptr) {
      RespondEnabled(respond, done);
      co_return;
    }
    Record next = session->record;
    next.set_queue(ask.queue());
    next.set_resume_ms(ask.resume_ms());
    next.set_revision(next.revision() + 1);
    const auto as = SessionStore::As(session->record);
    const auto written = co_await parts_.store.PutWithQueue(account.bare(), next, as, ask.header());
    if (!written) break;
    if (*written == SessionStore::Write::kDone) {
      parts_.store.ForgetDoubtful(account.bare(), next);
      session->record = std::move(next);
      RespondEnabled(respond, true);
      co_return;
    }
    const bool reloaded = co_await parts_.accounts.Reload(account);
    if (!reloaded) break;
  }
  respond(Error("the session cannot be written"));
}

// Not by a queue that Redis made without a word: its edge does not know of that, nor was anything delivered by it,
// unless the session was taken for an orphan meanwhile.
Task<bool> Resumption::IsManaged(const Account& account, Record record) {
  if (record.queue().empty()) co_return false;
  if (!parts_.store.IsDoubtful(record)) co_return true;
  const auto contents = co_await parts_.store.LoadQueue(account.bare(), record.queue());
  co_return !contents || (contents->has_value() && !(*contents)->stanzas.empty());
}

Task<void> Resumption::Resume(Account& account, session::v1::Resume ask, Respond respond) {
  Claim claim;
  claim.ask = std::move(ask);
  claim.respond = std::move(respond);
  co_await Try(account, std::move(claim));
}

Task<void> Resumption::Try(Account& account, Claim claim) {
  Step step = Step::kAgain;
  for (int i = 0; i < kTries && step == Step::kAgain; ++i) step = co_await TryOnce(account, claim);
  if (step == Step::kDone) co_return;
  co_await Orphan(account, claim);
  Later(claim);
}

Task<Resumption::Step> Resumption::TryOnce(Account& account, Claim& claim) {
  const std::string& id = claim.ask.session();
  const Session* session = account.WithId(id);
  if (session == nullptr || !life::Next(session->state(), life::Event::kClaimed)) {
    co_await NotFound(account, claim);
    co_return Step::kDone;
  }
  const Record before = session->record;
  const bool mine = before.queue() == claim.ask.queue();
  const bool asked = session->away() || claim.handed == before.queue();
  if (!mine && !asked && parts_.edges.linked(before.node())) {
    claim.stays = !parts_.store.up();  // it could not be given to anybody else
    if (claim.stays) co_return Step::kFailed;
    if (++claim.questions > kTries) co_return Step::kFailed;
    AskOwner(account, before, claim);
    co_return Step::kDone;
  }
  if (!mine || claim.owned.session().empty()) claim.owned = before;
  Result<SessionStore::Write> written = SessionStore::Write::kDone;
  if (!mine) {
    parts_.edges.Hold(before);
    written = co_await Write(account, claim.ask);
  }
  if (written && *written == SessionStore::Write::kDone) {
    Succeed(account, claim);
    if (LacksStored(account, claim)) co_await parts_.presence.Resume(account, id, Presence::Absence::kUnnoticed);
    co_return Step::kDone;
  }
  if (written && *written == SessionStore::Write::kNoQueue) {
    log::Error("session_queue_lost", {{"session", id}});
    co_await parts_.sessions.End(account, id, life::Event::kQueueLost, Receipt());
    Unindex(account, claim);
    co_return Step::kAgain;
  }
  // Lost to another router, or in doubt: Redis knows how it stands.
  const bool reloaded = co_await parts_.accounts.Reload(account);
  if (reloaded) Unindex(account, claim);
  co_return reloaded ? Step::kAgain : Step::kFailed;
}

// If it is over. While it is not, its edge may be claiming it by means of another router, which has just said so.
void Resumption::Unindex(Account& account, const Claim& claim) {
  if (account.WithId(claim.ask.session()) != nullptr) return;
  Record claimed = claim.owned;
  claimed.set_node(claim.ask.node());
  claimed.set_node_epoch(claim.ask.node_epoch());
  parts_.store.index().Remove(account.bare(), claimed);
}

// A router that died with its edge may have been giving it that; others' edges say again what makes us give it.
bool Resumption::LacksStored(Account& account, const Claim& claim) {
  const Session& session = *account.WithId(claim.ask.session());
  const bool orphan = claim.owned.away_since() != 0;
  return session.stored == Session::Stored::kLeft || (orphan && session.may_lack_stored());
}

void Resumption::Succeed(Account& account, const Claim& claim) {
  const Session& session = *account.WithId(claim.ask.session());
  session::v1::Resumed resumed;
  resumed.set_jid(account.FullJid(session));
  *resumed.mutable_record() = session.record;
  parts_.metrics.resumed.Increment();
  log::Debug("session_resumed", {{"session", session.id()}, {"node", claim.ask.node()}});
  RespondResumed(claim.respond, std::move(resumed));
  // What its old owner did not get: before what is new, and behind the answer.
  parts_.accounts.PostReturned(account.bare(), parts_.edges.TakeParked(claim.owned));
}

// Its owner has let go of it, and nobody else has it now.
Task<void> Resumption::Orphan(Account& account, Claim claim) {
  if (claim.outcome != Edges::HandOver::kDone) co_return;
  const Session* session = account.WithId(claim.ask.session());
  if (session == nullptr || session->record.queue() != claim.handed) co_return;
  co_await parts_.orphans.LetGo(account, claim.ask.session(), Receipt());
}

// From here on whatever the old owner writes to the queue finds none.
Task<Result<SessionStore::Write>> Resumption::Write(Account& account, const session::v1::Resume& ask) {
  const Record before = account.WithId(ask.session())->record;
  Record next = before;
  next.set_node(ask.node());
  next.set_node_epoch(ask.node_epoch());
  next.set_address(ask.address());
  next.set_mechanism(ask.mechanism());
  next.set_queue(ask.queue());
  life::Apply(life::Event::kClaimed, next);
  next.set_revision(next.revision() + 1);
  parts_.store.index().Add(account.bare(), next);
  const auto as = SessionStore::As(before);
  const auto written = co_await parts_.store.Claim(account.bare(), next, as, before.queue());
  if (!written || *written != SessionStore::Write::kDone) co_return written;
  const bool moved = before.node() != next.node() || before.node_epoch() != next.node_epoch();
  if (moved) parts_.store.index().Remove(account.bare(), before);
  Session& session = *account.WithId(ask.session());
  session.record = std::move(next);
  parts_.metrics.session_events.Add(life::Event::kClaimed);
  session.unsaved = false;
  session.queued.reset();
  co_return written;
}

void Resumption::AskOwner(const Account& account, const Record& record, Claim claim) {
  const auto handed = [this, bare = account.bare(), queue = record.queue(), claim](Edges::HandOver outcome) {
    OnHandedOver(bare, queue, claim, outcome);
  };
  parts_.edges.AskToHandOver(record, handed);
}

void Resumption::OnHandedOver(const std::string& bare, const std::string& queue, Claim claim, Edges::HandOver outcome) {
  // It may yet take what was sent to it: no claim, or the order would break.
  if (outcome == Edges::HandOver::kLate) return Later(claim);
  if (outcome != Edges::HandOver::kBroken) claim.handed = queue;  // else it may be back already
  claim.outcome = outcome;
  AccountTable::Job job;
  job.failed = [this, bare, claim] {
    Later(claim);
    OrphanLater(bare, claim);
  };
  job.run = [this, claim](Account& account) { return Try(account, claim); };
  parts_.accounts.Post(bare, std::move(job));
}

void Resumption::Refuse(const session::v1::Resume& ask, const Respond& respond) { Later(Claim{ask, respond}); }

void Resumption::Later(const Claim& claim) {
  parts_.edges.Release(claim.ask.session());
  parts_.metrics.resume_later.Increment();
  session::v1::Resumed resumed;
  resumed.set_condition("resource-constraint");
  resumed.set_text("The session cannot be resumed at the moment; try later");
  resumed.set_stays(claim.stays);
  RespondResumed(claim.respond, std::move(resumed));
}

void Resumption::OrphanLater(const std::string& bare, const Claim& claim) {
  AccountTable::Job job;
  job.run = [this, claim](Account& account) { return Orphan(account, claim); };
  job.failed = [this, bare, claim] { OrphanLater(bare, claim); };
  parts_.accounts.Post(bare, std::move(job));
}

// Redis lost it, and its edge has not put it back yet. (Or another router has ended it while we could not reach Redis;
// then that remembers the end.)
bool Resumption::Vanished(Account& account, const std::string& session) {
  return account.WithId(session) == nullptr && account.Asking(session) != nullptr;
}

Task<void> Resumption::NotFound(Account& account, Claim claim) {
  const auto handled = co_await parts_.store.RecallEnded(account.bare(), claim.ask.session());
  if (!handled || (!handled->has_value() && Vanished(account, claim.ask.session()))) {
    Later(claim);
    co_return;
  }
  parts_.edges.Release(claim.ask.session());
  parts_.metrics.not_resumed.Increment();
  session::v1::Resumed resumed;
  resumed.set_condition("item-not-found");
  resumed.set_knows_handled(handled->has_value());
  resumed.set_handled(handled->value_or(0));
  RespondResumed(claim.respond, std::move(resumed));
}

}  // namespace parley::router
