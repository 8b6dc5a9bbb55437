#include "services/c2s/sm/stored_queue.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "libs/base/unix_time.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::milliseconds kRetryDelay{500};

StoredQueue& QueueOf(Session& session) { return session.management()->outbound().queue(); }

}  // namespace

StoredQueue::StoredQueue(Outbound& outbound, Session& session, Context& context, std::string name,
                         std::uint64_t handled)
    : outbound_(outbound),
      unacked_(outbound.unacked()),
      session_(session),
      context_(context),
      name_(std::move(name)),
      key_(session::QueueKey(session.jid().bare(), name_)),
      noting_(handled) {}

StoredQueue::~StoredQueue() { GiveBack(); }

void StoredQueue::Adopt(const session::QueueContents& contents) {
  layout_ = Layout(contents);
  logged_ = issued_ = unacked_.last();
  noting_.SetStored(contents.header.handled());
}

std::uint64_t StoredQueue::sure() const { return std::max(logged_, unacked_.acked()); }
bool StoredQueue::logged() const { return state_ == State::kReady && logged_ == unacked_.last(); }

std::uint64_t StoredQueue::released() const {
  return state_ == State::kDown && !distrusted_ ? unacked_.last() : sure();
}

void StoredQueue::GiveBack() {
  for (std::uint64_t number = sure() + 1; number <= unacked_.last(); ++number) unacked_.At(number).GiveBack();
}

bool StoredQueue::owes() const {
  for (std::uint64_t number = sure() + 1; number <= unacked_.last(); ++number) {
    if (unacked_.At(number).owed()) return true;
  }
  return false;
}

// Before the acknowledgement of what the client has got, by the same link.
void StoredQueue::SayUnlogged() {
  if (std::exchange(said_unlogged_after_, logged_) == logged_) return;
  context_.metrics.sm_unlogged.Increment();
  auto envelope = std::make_unique<link::v1::Envelope>();
  envelope->set_kind(link::v1::KIND_CONTROL);
  envelope->set_from(session_.jid().str());
  envelope->set_session(session_.id());
  envelope->mutable_unlogged()->set_queue(name_);
  envelope->mutable_unlogged()->set_after(logged_);
  context_.routers.Send(session_.jid().bare(), std::move(envelope), rpc::Receipt());
}

void StoredQueue::Renumber(std::uint64_t after, std::uint64_t by) {
  const bool under_way = state_ == State::kReady && issued_ != logged_;
  renumbered_ = Renumbered{after, by};
  logged_ += by;
  issued_ += by;
  layout_.Renumber(by);
  UpdateHeader();
  if (under_way) Sync();
}

// What changed goes to Redis

void StoredQueue::Plan() {
  if (std::exchange(planned_, true)) return;
  planned_at_ = UnixMilliseconds();
  // The session's own, and lives as long as it does.
  const std::shared_ptr<StoredQueue> self(session_.shared_from_this(), this);
  context_.loop.AtEndOfTurn<&StoredQueue::Flush>(self);
}

void StoredQueue::UpdateHeader() {
  outdated_ = true;
  Plan();
}

void StoredQueue::Flush() {
  planned_ = false;
  AppendNew();
  Trim();
  Note();
}

void StoredQueue::AppendNew() {
  if (state_ != State::kReady || issued_ == unacked_.last()) return;
  if (!session_.certain()) {
    // One that is over is not put back any more, and nobody is without Redis.
    if (context_.node.without_redis() || session_.state() == Session::State::kEnded) return Suspend();
    // If our lease lapsed, what is asked of the router then (Node) ends in OnRestored().
    auto again = [](Session& session) { QueueOf(session).AppendNew(); };
    if (!retry_.armed()) retry_ = context_.loop.After(kRetryDelay, WhileAlive(session_.shared_from_this(), again));
    return;
  }
  // Who waits for more than what is handled waits for the header.
  const std::uint64_t handled = session_.uplink().handled();
  Noting::Note note = outdated_ ? Noting::Note{handled, {}} : noting_.Start(handled);
  const session::Packing packing = Pack(issued_, handled);
  issued_ = unacked_.last();
  const Appending appending{issued_, layout_.length(), round_};
  auto appended = [appending, note = std::move(note)](Session& session, const Result<std::uint64_t>& length) {
    QueueOf(session).OnAppended(appending, length);
    QueueOf(session).Finish(note, length && *length > 0);
  };
  context_.metrics.sm_appends.Increment();
  session::Append(context_.redis, key_, packing.elements(),
                  WhileAlive(session_.shared_from_this(), std::move(appended)));
}

session::Packing StoredQueue::Pack(std::uint64_t after, std::uint64_t handled) {
  std::vector<std::string_view> stanzas;
  stanzas.reserve(unacked_.last() - after);
  while (after < unacked_.last()) stanzas.push_back(unacked_.At(++after).element());
  session::Packing packing(stanzas, context_.config.c2s.sm_pack_stanzas, handled);
  layout_.Add(packing.elements());
  context_.metrics.sm_packed.Increment(static_cast<double>(packing.packed()));
  context_.metrics.sm_queue_bytes.Increment(static_cast<double>(packing.bytes()));
  return packing;
}

void StoredQueue::OnAppended(const Appending& appending, const Result<std::uint64_t>& length) {
  if (!length) return OnFailure(appending.round);
  if (appending.round != round_) return;
  if (*length == 0) return Lost();
  // A router took us for dead and added to it.
  if (*length != appending.length) return Sync();
  for (std::uint64_t number = sure() + 1; number <= appending.number; ++number) unacked_.At(number).SetTaken();
  logged_ = appending.number;
  outbound_.WriteOut();
  Trim();
  if (logged_ == unacked_.last()) CallWaiting();
}

void StoredQueue::Trim() {
  const std::uint64_t upto = std::min(unacked_.acked(), logged_);
  if (state_ != State::kReady || upto <= layout_.acked()) return;
  const std::size_t count = layout_.Acknowledge(upto);
  if (count == 0) return SetHeader(Close::kOpen);
  const auto header = Header(Close::kOpen);
  context_.metrics.sm_trims.Increment();
  session::Trim(context_.redis, key_, count, header, Noted());
}

void StoredQueue::StoreHandled(Close close, std::function<void(bool)> done) {
  const bool soon = state_ == State::kSyncing && close == Close::kOpen;
  if (state_ != State::kReady && !soon) return done(false);
  noting_.Add(std::move(done));
  close == Close::kOpen ? Plan() : SetHeader(close);
}

void StoredQueue::Note() {
  if (state_ == State::kSyncing || (noting_.empty() && !outdated_)) return;
  if (state_ == State::kReady) return SetHeader(Close::kOpen);
  noting_.Finish(noting_.Start(session_.uplink().handled()), false);
}

void StoredQueue::SetHeader(Close close) {
  context_.metrics.sm_headers.Increment();
  session::SetHeader(context_.redis, key_, Header(close), Noted());
}

void StoredQueue::Finish(const Noting::Note& note, bool noted) {
  noting_.Finish(note, noted);
  session_.uplink().OnNoted();
}

std::function<void(Result<Ok>)> StoredQueue::Noted() {
  auto noted = [round = round_, note = noting_.Start(session_.uplink().handled())](Session& session,
                                                                                   const Result<Ok>& done) {
    StoredQueue& self = QueueOf(session);
    self.Finish(note, static_cast<bool>(done));
    if (!done) self.OnFailure(round);
  };
  return WhileAlive(session_.shared_from_this(), std::move(noted));
}

session::v1::QueueHeader StoredQueue::Header(Close close) {
  session::v1::QueueHeader header;
  header.set_acked(layout_.acked());
  header.set_skip(layout_.skip());
  header.set_handled(session_.uplink().handled());
  header.set_base(session_.management()->base());
  // What an edge before us passed on beyond what it noted is in doubt until the client has said it again.
  const bool doubtful = session_.management()->MayBeRepeat(header.handled() + 1);
  header.set_settled(close == Close::kSettled && session_.uplink().idle() && !doubtful);
  outbound_.remembered().Fill(header, UnixMilliseconds() - context_.config.c2s.sm_repeat_window.count());
  unacked_.FillReplied(header);
  session_.unanswered().Fill(header);
  outdated_ = false;
  return header;
}

std::string StoredQueue::LastHeader() {
  if (renumbered_) return {};
  auto header = Header(Close::kOpen);
  header.set_acked(std::min(unacked_.acked(), logged_));
  header.clear_skip();
  auto& replied = *header.mutable_replied();
  while (!replied.empty() && replied.at(replied.size() - 1) > logged_) replied.RemoveLast();
  return header.SerializeAsString();
}

// How things stand

// A header that counts on a trim which was not done would give everything behind it another number.
void StoredQueue::OnFailure(std::uint32_t round) {
  if (round == round_) Suspend();
}

// Redis cannot be asked: what was in flight may be in the queue or not. If Redis is there but does not do what it is
// asked (out of memory, read-only), it is asked again after a while: for all sessions by our lease, if that is refused,
// too. What others may have queued can be read meanwhile.
void StoredQueue::Suspend() {
  ++round_;
  NoteLate();
  state_ = State::kDown;
  may_create_ = false;
  outbound_.WriteOut();
  CallWaiting();
  Note();
  session_.uplink().OnNoted();
  if (!context_.redis.up()) return;
  if (context_.node.without_redis() && !distrusted_) return context_.node.AwaitRedis();
  auto again = [](Session& session) { QueueOf(session).OnRedisUp(); };
  retry_ = context_.loop.After(kRetryDelay, WhileAlive(session_.shared_from_this(), again));
}

void StoredQueue::NoteLate() {
  for (std::uint64_t number = sure() + 1; number <= issued_; ++number) {
    outbound_.remembered().NoteLate(unacked_.At(number));
  }
  issued_ = logged_;
}

void StoredQueue::OnRedisUp() {
  if (state_ == State::kDown) Sync();
}

void StoredQueue::Distrust() {
  distrusted_ = true;
  if (context_.redis.up()) OnRedisUp();
}

void StoredQueue::OnRestored() {
  may_create_ = true;
  Sync();
}

void StoredQueue::Verify(std::function<void()> done) {
  waiting_.push_back(std::move(done));
  // What Redis did not do it may have refused because the queue is another's.
  if (state_ == State::kReady || (state_ == State::kDown && context_.redis.up())) return Sync();
  if (hopeless()) CallWaiting();
}

void StoredQueue::Sync() {
  state_ = State::kSyncing;
  ++round_;
  auto loaded = [round = round_](Session& session, Result<session::QueueContents> contents) {
    QueueOf(session).OnLoaded(round, std::move(contents));
  };
  session::Load(context_.redis, key_, WhileAlive(session_.shared_from_this(), std::move(loaded)));
}

void StoredQueue::OnLoaded(std::uint32_t round, Result<session::QueueContents> loaded) {
  if (round != round_) return;
  if (loaded) return OnContents(std::move(*loaded));
  if (loaded.error().message() != session::kNoQueue) return Suspend();
  if (!std::exchange(may_create_, false)) return Lost();
  distrusted_ = false;
  outbound_.remembered().ForgetLate();
  Rebuild(0);
}

void StoredQueue::OnContents(session::QueueContents contents) {
  may_create_ = distrusted_ = false;
  // Our header with the new numbers has not got there.
  if (renumbered_ && contents.header.acked() <= renumbered_->after)
    contents.header.set_acked(contents.header.acked() + renumbered_->by);
  const std::uint64_t total = contents.total();
  const std::size_t length = contents.length;
  Layout layout(contents);
  // Positions in the list are numbers: they have to fit again.
  const bool fit = length == layout.length() && total >= logged_ && outbound_.written() <= logged_;
  if (!outbound_.Merge(std::move(contents), logged_) || !fit) return Rebuild(length);
  layout_ = std::move(layout);
  logged_ = issued_ = total;
  Ready();
}

void StoredQueue::Rebuild(std::size_t length) {
  layout_ = Layout(unacked_.acked());
  const auto header = Header(Close::kOpen);
  const session::Packing packing = Pack(unacked_.acked(), 0);
  state_ = State::kSyncing;
  auto rebuilt = [round = ++round_, upto = unacked_.last(), handled = session_.uplink().handled()](
                     Session& session, const Result<bool>& done) {
    StoredQueue& self = QueueOf(session);
    if (round != self.round_) return;
    if (!done) return self.Suspend();
    if (!*done) return self.Sync();  // it changed since it was read
    self.logged_ = self.issued_ = upto;
    self.noting_.SetStored(handled);
    self.Ready();
  };
  context_.metrics.sm_rebuilds.Increment();
  const session::Owner owner{session_.jid().bare(), session_.jid().resource(), session_.id(), name_};
  session::Rebuild(context_.redis, key_, owner, length, header, packing.elements(),
                   WhileAlive(session_.shared_from_this(), std::move(rebuilt)));
}

void StoredQueue::Ready() {
  state_ = State::kReady;
  for (std::uint64_t number = unacked_.acked() + 1; number <= logged_; ++number) unacked_.At(number).SetTaken();
  Trim();
  AppendNew();
  outbound_.WriteOut();
  // What was handled while Redis was away nobody may have noted.
  if (session_.uplink().handled() > stored()) outdated_ = true;
  if (outdated_ || !noting_.empty()) Plan();
  if (logged_ == unacked_.last()) CallWaiting();
  session_.uplink().OnNoted();
}

// Whoever waits for a session that lives is told when the router has said whose it is.
void StoredQueue::Lost() {
  state_ = State::kLost;
  ++round_;
  Note();
  if (hopeless()) return CallWaiting();
  context_.node.PutBack(session_.shared_from_this());
}

bool StoredQueue::hopeless() const {
  return state_ == State::kDown || (state_ == State::kLost && session_.state() == Session::State::kEnded);
}

void StoredQueue::WhenLogged(std::function<void()> done) {
  waiting_.push_back(std::move(done));
  if (hopeless() || logged()) CallWaiting();
}

void StoredQueue::CallWaiting() {
  for (const auto& waiting : std::exchange(waiting_, {})) waiting();
}

}  // namespace parley::c2s
