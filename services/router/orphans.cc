#include "services/router/orphans.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/storage/lease.h"

namespace parley::router {
namespace {

// Sessions that their living edge does not have: in the index of no node's, so that the reaper looks after them, too.
constexpr char kNowhere[] = "-";
constexpr std::chrono::milliseconds kRetry{100};  // without Redis

xmpp::StanzaError OutOfReach() {
  return xmpp::ResourceConstraint("The recipient cannot be reached at the moment; try later");
}

// By the edge that has it, or is thought to.
bool Refused(const Session& session, std::uint64_t mark) {
  return !session.away() && mark == Edges::MarkOf(session.record);
}

bool Expired(const Record& record, std::chrono::milliseconds grace) {
  return UnixMilliseconds() >= record.away_since() + static_cast<std::int64_t>(record.resume_ms()) + grace.count();
}

}  // namespace

Orphans::Orphans(const Parts& parts, const Options& options)
    : parts_(parts), options_(options), nowhere_epoch_(RandomId()) {}

bool Orphans::IsOf(const Record& record, const link::v1::SessionEnded& ended) {
  if (ended.node() == kNowhere) return record.away_since() != 0;
  // Put back under a new epoch meanwhile, or resumed elsewhere: that binding lives. Not if a later lease of the same
  // process is said to have ended it: what is written is only what its edge could not write again.
  const bool other_node = !ended.node().empty() && ended.node() != record.node();
  const bool other_epoch = !ended.node_epoch().empty() && ended.node_epoch() != record.node_epoch() &&
                           !storage::IsLater(ended.node_epoch(), record.node_epoch());
  const bool other_claim = !ended.queue().empty() && !record.queue().empty() && ended.queue() != record.queue();
  return !other_node && !other_epoch && !other_claim;
}

bool Orphans::MayGetBack(const Account& account) const {
  const auto owed = [this](const Session& session) { return parts_.edges.MayGiveBack(session.record); };
  return std::any_of(account.sessions().begin(), account.sessions().end(), owed);
}

Task<void> Orphans::Check(Account& account) {
  for (const Record& before : std::exchange(account.moved(), {})) {
    if (!parts_.edges.MayGiveBack(before)) continue;
    parts_.edges.Hold(before);
    parts_.tasks.Spawn("follow_session", Follow(account.bare(), before));
  }
  co_await parts_.sessions.EndRetired(account);
  co_await TakeBack(account);
  std::vector<std::string> lost;
  for (const auto& session : account.sessions()) {
    if (session.away() || parts_.nodes.Dead(session.record)) lost.push_back(session.id());
  }
  for (auto& id : lost) co_await Lose(account, std::move(id), Receipt());
}

// Before what is new, which goes another way: what was for them is with their edges, or waits for these.
Task<void> Orphans::TakeBack(Account& account) {
  for (const Record& before : std::exchange(account.parted(), {})) {
    if (!parts_.edges.MayGiveBack(before) || parts_.edges.IsAsked(before.session())) continue;
    co_await parts_.edges.Settled(before);
    parts_.accounts.PostReturned(account.bare(), parts_.edges.TakeParked(before));
  }
}

Task<bool> Orphans::Lose(Account& account, std::string id, Receipt receipt) {
  const Session* session = account.Asking(id);
  if (session == nullptr) co_return true;
  if (!session->away()) {
    if (MayYetTake(session->record)) co_return false;
    const auto state = session->state();
    co_return co_await LoseEdge(account, std::move(id), state, life::Event::kEdgeLost, std::move(receipt));
  }
  if (!Expired(session->record, options_.sm_orphan_grace)) co_return false;
  co_await FlushFirst(account, id);  // what is in its queue is stored again, not to come behind what it was to get next
  parts_.metrics.expired.Increment();
  co_await parts_.sessions.End(account, std::move(id), life::Event::kExpired, std::move(receipt));
  co_return true;
}

// Another router gave the session away. Not in the account's turn: the edge may ask something of it before it settles.
Task<void> Orphans::Follow(std::string bare, Record before) {
  co_await parts_.edges.Settled(before);
  if (!parts_.edges.IsAsked(before.session())) {  // else what waits goes where the answer says
    parts_.accounts.PostReturned(bare, parts_.edges.TakeParked(before));
  }
}

// What its link holds would come back behind what is new: an edge that has stopped is not dead until its link breaks.
// One that goes on puts its sessions back, and another of its name does not know them, which shows.
bool Orphans::MayYetTake(const Record& record) const {
  if (parts_.nodes.Dead(record)) return parts_.edges.HasFor(record);
  return parts_.edges.linked(record.node());
}

Task<void> Orphans::LetGo(Account& account, std::string id, Receipt receipt) {
  const Session* session = account.WithId(id);
  const auto state = session == nullptr ? life::State::kBound : session->state();
  if (state == life::State::kOrphan) co_return;
  co_await LoseEdge(account, std::move(id), state, life::Event::kLetGo, std::move(receipt));
}

Task<bool> Orphans::LoseEdge(Account& account, std::string id, life::State state, life::Event event, Receipt receipt) {
  if (life::Next(state, event) == life::State::kOrphan) {
    co_await Orphan(account, std::move(id), event);
    co_return false;
  }
  co_await parts_.sessions.End(account, std::move(id), event, std::move(receipt));
  co_return true;
}

Task<void> Orphans::Deliver(Account& account, Held held) {
  const std::string id = held.envelope->session();
  const auto refused = [mark = held.mark](const Session* s) { return s != nullptr && Refused(*s, mark); };
  if (refused(account.WithId(id))) {
    const bool reloaded = co_await parts_.accounts.Reload(account);
    if (!reloaded) {
      co_await LaterOrNever(account, std::move(held));
      co_return;
    }
    parts_.queues.RedisAnswers();
    const bool unknown = refused(account.WithId(id));
    // Behind what the session left, if another router has begun to end it: Check() comes before that.
    HandleNext(account, std::move(held));
    if (unknown) co_await Unknown(account, id);
    co_return;
  }
  if (IsPush(*held.envelope)) {
    co_await DeliverPush(account, std::move(held));
    co_return;
  }
  const Session* session = account.WithId(id);
  if (session == nullptr) {
    if (Delivery::WasShared(held) || parts_.unacknowledged.TakeReturned(held)) co_return;
    // Its edge may have had it in the queue, and we do not know, as it died or we stood still.
    bool had = co_await parts_.past.Had(account.bare(), *held.envelope);
    if (!had) had = co_await parts_.unacknowledged.AnotherHad(account, *held.envelope);
    if (!had) co_await parts_.delivery.Again(account, std::move(held));
  } else if (session->away()) {
    co_await QueueInOrder(account, std::move(held));
  } else {  // resumed elsewhere, or put back
    held.envelope->set_repeat(true);
    parts_.sender.Deliver(*session, std::move(held));
  }
}

// It was for that session alone, which may be one that Redis has lost and that its edge has yet.
Task<void> Orphans::DeliverPush(Account& account, Held held) {
  const std::string id = held.envelope->session();
  if (account.Asking(id) == nullptr) co_return;
  co_await parts_.pushes.Renew(*held.envelope);
  held.envelope->set_repeat(true);
  const Session* session = account.Asking(id);
  if (session == nullptr || Refused(*session, held.mark)) co_return;  // or its edge has lost it, too
  if (!session->away()) {
    parts_.sender.Deliver(*session, std::move(held));
  } else if (account.WithId(id) != nullptr) {
    co_await QueueInOrder(account, std::move(held));
  }
}

// Without Redis nobody knows whose the session is.
Task<void> Orphans::LaterOrNever(Account& account, Held held) {
  if (parts_.queues.OutOfPatience()) {
    parts_.delivery.GiveUp(std::move(held), OutOfReach());
    co_return;
  }
  co_await SleepFor(kRetry);
  HandleNext(account, std::move(held));
}

Task<void> Orphans::Unknown(Account& account, std::string id) {
  const auto state = account.WithId(id)->state();
  const bool over = co_await LoseEdge(account, id, state, life::Event::kUnknown, Receipt());
  if (!over) co_return;
  parts_.metrics.ghosts.Increment();
  log::Info("ghost_session_ended", {{"session", id}});
}

// Also if it was made an orphan meanwhile: nobody else has it as long as the mark is the same.
Task<void> Orphans::EndIfOver(Account& account, std::string id, std::uint64_t mark) {
  const Session* session = account.WithId(id);
  if (session == nullptr || mark != Edges::MarkOf(session->record)) co_return;
  co_await parts_.sessions.End(account, std::move(id), life::Event::kOver, Receipt());
}

Task<void> Orphans::Orphan(Account& account, std::string id, life::Event event) {
  Session* session = account.WithId(id);
  if (session == nullptr) co_return;
  const Record before = session->record;
  co_await parts_.edges.Settled(before);  // else what its edge refuses would come behind what is new
  const auto mark = Edges::MarkOf(before);
  parts_.edges.Hold(before);  // it may come back in the middle of this
  bool indexed = parts_.nodes.Dead(before);
  if (!indexed) indexed = co_await IndexNowhere(account.bare(), before);
  Sessions::Change change = [mark, event](Record& record) {
    if (Edges::MarkOf(record) == mark) life::Apply(event, record);
  };
  co_await parts_.sessions.Update(account, id, change);
  session = account.WithId(id);
  if (session == nullptr || !session->away()) {
    parts_.edges.Release(id);
    co_return;
  }
  session->queued.reset();  // its edge has written to the queue since we last did
  parts_.metrics.orphaned.Increment();
  parts_.metrics.session_events.Add(event);
  if (session->unsaved || !indexed) parts_.tasks.Spawn("index_orphan", IndexLater(account.bare(), id));
  log::Debug("session_orphaned", {{"session", id}, {"node", before.node()}});
  // Before what is new: that goes by the same way now.
  parts_.accounts.PostReturned(account.bare(), parts_.edges.TakeParked(before));
}

Task<bool> Orphans::IndexNowhere(std::string bare, Record record) {
  record.set_node(kNowhere);
  record.set_node_epoch(nowhere_epoch_);
  const bool indexed = co_await parts_.store.index().AddAgain(std::move(bare), std::move(record));
  parts_.nodes.CallDead({kNowhere, nowhere_epoch_});
  co_return indexed;
}

// Redis was away, or refused it: the reaper knows of the session once it takes writes again.
Task<void> Orphans::IndexLater(std::string bare, std::string id) {
  do {
    co_await SleepFor(options_.unsaved_retry);
  } while (!parts_.store.up());
  AccountTable::Job job;
  job.run = [this, id](Account& account) { return IndexNow(account, id); };
  job.failed = [this, bare, id] { parts_.tasks.Spawn("index_orphan", IndexLater(bare, id)); };
  parts_.accounts.Post(bare, std::move(job));
}

Task<void> Orphans::IndexNow(Account& account, std::string id) {
  const Session* session = account.WithId(id);
  if (session == nullptr || !session->away()) co_return;
  const bool indexed = co_await IndexNowhere(account.bare(), session->record);
  if (!indexed) parts_.tasks.Spawn("index_orphan", IndexLater(account.bare(), std::move(id)));
}

Task<void> Orphans::QueueInOrder(Account& account, Held held) {
  const std::string id = held.envelope->session();
  const bool may_go = co_await FlushFirst(account, id);
  const Session* session = account.WithId(id);
  if (!may_go) {
    parts_.delivery.GiveUp(std::move(held), OutOfReach());
  } else if (session != nullptr && session->away()) {
    co_await Queue(account, std::move(held));
  } else {
    HandleNext(account, std::move(held));
  }
}

Task<bool> Orphans::FlushFirst(Account& account, std::string id) {
  const Session* session = account.WithId(id);  // not one that has vanished from Redis
  if (session == nullptr || !session->may_lack_stored()) co_return true;
  const bool reachable = co_await parts_.queues.AwaitRedis();  // else all of it is fetched for nothing
  if (!reachable) co_return false;
  co_await parts_.offline.Resume(account, id);
  session = account.WithId(id);
  const bool left = session != nullptr && session->away() && session->stored == Session::Stored::kLeft;
  co_return !left || !parts_.queues.failing();
}

Task<void> Orphans::Queue(Account& account, Held held) {
  const std::string id = held.envelope->session();
  Delivery::NoteShared(held);
  const auto outcome = co_await parts_.queues.Append(account, *held.envelope);
  if (outcome == OrphanQueues::Outcome::kInDoubt) {
    parts_.delivery.GiveUp(std::move(held), OutOfReach());
  } else if (outcome == OrphanQueues::Outcome::kNoQueue) {
    co_await QueueIsGone(account, std::move(held));
  } else {
    rpc::NoteOutcome(held.receipt, "queued");
    co_await EndIfFull(account, id);
  }
}

Task<void> Orphans::EndIfFull(Account& account, std::string id) {
  const QueueMemory& queue = *account.WithId(id)->queued;
  const bool many = queue.stanzas() > options_.sm_max_stanzas;
  if (!many && queue.bytes() <= options_.sm_max_bytes) co_return;
  auto& limit = many ? parts_.metrics.limits_queue : parts_.metrics.limits_queue_bytes;
  limit.Increment();
  co_await parts_.sessions.End(account, std::move(id), life::Event::kQueueFull, Receipt());
}

// Claimed meanwhile by means of another router, or lost.
Task<void> Orphans::QueueIsGone(Account& account, Held held) {
  const std::string id = held.envelope->session();
  const std::string queue = account.WithId(id)->record.queue();
  HandleNext(account, std::move(held));
  const bool reloaded = co_await parts_.accounts.Reload(account);
  const Session* session = account.WithId(id);
  if (!reloaded || session == nullptr || !session->away() || session->record.queue() != queue) co_return;
  log::Error("session_queue_lost", {{"session", id}});
  co_await parts_.sessions.End(account, id, life::Event::kQueueLost, Receipt());
}

void Orphans::HandleNext(const Account& account, Held held) {
  std::vector<Held> first;
  first.push_back(std::move(held));
  parts_.accounts.PostFirst(account.bare(), std::move(first));
}

}  // namespace parley::router
