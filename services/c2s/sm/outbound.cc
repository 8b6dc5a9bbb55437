#include "services/c2s/sm/outbound.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "libs/base/unix_time.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session.h"

namespace parley::c2s {
namespace {

constexpr std::size_t kMaxSeen = 128;
constexpr std::chrono::milliseconds kRetryDelay{500};

constexpr std::size_t kMaxAnswersSeen = 32;

}  // namespace

Outbound::Outbound(Session& session, Context& context, std::string queue, std::uint64_t handled)
    : session_(session),
      context_(context),
      queue_(std::move(queue)),
      key_(session::QueueKey(session.jid().bare(), queue_)),
      stored_(handled) {}

Outbound::~Outbound() {
  GiveBack();
  context_.metrics.sm_unacknowledged.Decrement(static_cast<double>(entries_.size()));
  context_.metrics.sm_unacknowledged_bytes.Decrement(static_cast<double>(bytes_));
}

bool Outbound::Fits(std::size_t bytes) const {
  return entries_.size() < context_.config.c2s.sm_max_stanzas && bytes_ + bytes <= context_.config.c2s.sm_max_bytes;
}

Entry Outbound::MakeEntry(link::v1::Envelope& envelope, std::int64_t at, rpc::Receipt receipt) {
  const auto bytes = envelope.stanza().size();
  bytes_ += bytes;
  context_.metrics.sm_unacknowledged.Increment();
  context_.metrics.sm_unacknowledged_bytes.Increment(static_cast<double>(bytes));
  return {envelope, at, std::move(receipt)};
}

void Outbound::Push(std::unique_ptr<link::v1::Envelope> envelope, rpc::Receipt receipt) {
  entries_.push_back(MakeEntry(*envelope, UnixMilliseconds(), std::move(receipt)));
  rpc::Recycle(std::move(envelope));
  Plan();
  if (state_ == State::kDown) WriteOut();
}

void Outbound::Adopt(session::QueueContents contents) {
  acked_ = trimmed_ = contents.header.acked();
  stored_ = contents.header.handled();
  seen_.assign(contents.header.seen().begin(), contents.header.seen().end());
  answered_.assign(contents.header.answered().begin(), contents.header.answered().end());
  for (auto& queued : contents.stanzas) {
    entries_.push_back(MakeEntry(*queued.mutable_envelope(), queued.at(), rpc::Receipt()));
  }
  for (const std::uint64_t number : contents.header.replied()) {
    if (number <= acked_ || number > last()) continue;
    At(number).SetReplied();
    any_replied_ = true;
  }
  written_ever_ = logged_ = issued_ = last();
  written_ = acked_;
}

// Redis

void Outbound::Plan() {
  if (std::exchange(planned_, true)) return;
  auto flush = [](Session& self) { self.management()->outbound().Flush(); };
  context_.loop.AtEndOfTurn(WhileAlive(session_.shared_from_this(), flush));
}

void Outbound::Flush() {
  planned_ = false;
  AppendNew();
  Trim();
  Note();
}

void Outbound::AppendNew() {
  if (state_ != State::kReady || issued_ == last()) return;
  if (!session_.certain()) {
    if (!context_.redis.up()) return Suspend();
    // If our lease lapsed, what is asked of the router then (Node) ends in OnRestored().
    auto again = [](Session& self) { self.management()->outbound().AppendNew(); };
    if (!retry_.armed()) retry_ = context_.loop.After(kRetryDelay, WhileAlive(session_.shared_from_this(), again));
    return;
  }
  // Who waits for more than what is handled waits for the header.
  Noting noting = outdated_ ? Noting{session_.uplink().handled(), {}} : StartNoting();
  const std::uint64_t handled = noting.handled;
  std::vector<std::string_view> elements;
  elements.reserve(last() - issued_);
  while (issued_ < last()) elements.push_back(At(++issued_).element());
  const Appending appending{issued_, issued_ - trimmed_ + 1, round_};
  auto appended = [appending, noting = std::move(noting)](Session& session, const Result<std::uint64_t>& length) {
    Outbound& self = session.management()->outbound();
    self.OnAppended(appending, length);
    self.OnNoted(noting, length && *length > 0);
  };
  context_.metrics.sm_appends.Increment();
  session::Append(context_.redis, key_, elements, handled,
                  WhileAlive(session_.shared_from_this(), std::move(appended)));
}

void Outbound::OnAppended(const Appending& appending, const Result<std::uint64_t>& length) {
  if (!length) return OnFailure(appending.round);
  if (appending.round != round_) return;
  if (*length == 0) return Lost();
  // A router took us for dead and added to it.
  if (*length != appending.length) return Sync();
  for (std::uint64_t number = std::max(logged_, acked_) + 1; number <= appending.number; ++number) {
    At(number).SetTaken();
  }
  logged_ = appending.number;
  WriteOut();
  Trim();
  if (logged_ == last()) CallWaiting();
}

// Redis cannot be asked: what was in flight may be in the queue or not. If Redis is there but does not do what it is
// asked (out of memory, read-only), it is asked again after a while.
void Outbound::Suspend() {
  ++round_;
  state_ = State::kDown;
  may_create_ = false;
  WriteOut();
  CallWaiting();
  if (!context_.redis.up()) return;
  auto again = [](Session& self) { self.management()->outbound().OnRedisUp(); };
  retry_ = context_.loop.After(kRetryDelay, WhileAlive(session_.shared_from_this(), again));
}

void Outbound::OnRedisUp() {
  if (state_ == State::kDown) Sync();
}

void Outbound::OnRestored() {
  may_create_ = true;
  Sync();
}

void Outbound::Verify(std::function<void()> done) {
  waiting_.push_back(std::move(done));
  if (state_ == State::kReady) return Sync();
  if (hopeless()) CallWaiting();
}

void Outbound::Sync() {
  state_ = State::kSyncing;
  ++round_;
  auto loaded = [round = round_](Session& session, Result<session::QueueContents> contents) {
    session.management()->outbound().OnLoaded(round, std::move(contents));
  };
  session::Load(context_.redis, key_, WhileAlive(session_.shared_from_this(), std::move(loaded)));
}

void Outbound::OnLoaded(std::uint32_t round, Result<session::QueueContents> loaded) {
  if (round != round_) return;
  if (loaded) return Reconcile(std::move(*loaded));
  if (loaded.error().message() != session::kNoQueue) return Suspend();
  if (!std::exchange(may_create_, false)) return Lost();
  distrusted_ = false;
  Rebuild(0);
}

// Takes in what others added while they took us for dead. What the client has seen keeps its number; what it has not
// seen takes the place that it has in the queue.
void Outbound::Reconcile(session::QueueContents contents) {
  may_create_ = distrusted_ = false;
  const std::uint64_t total = contents.total();
  const bool seen = written_ever_ > logged_;
  const auto sure = static_cast<std::ptrdiff_t>(std::max(logged_, acked_) - acked_);
  const auto unseen = entries_.begin() + std::max(sure, static_cast<std::ptrdiff_t>(written_ever_ - acked_));
  std::vector<Entry> ours(std::make_move_iterator(unseen), std::make_move_iterator(entries_.end()));
  entries_.erase(unseen, entries_.end());
  std::vector<Entry> theirs;
  bool skipped = false;
  for (std::uint64_t number = std::max(logged_, contents.header.acked()) + 1; number <= total; ++number) {
    auto& queued = contents.stanzas[number - contents.header.acked() - 1];
    const auto same = [&](const Entry& entry) { return entry.Is(queued.envelope()); };
    if (std::any_of(entries_.begin() + sure, entries_.end(), same)) continue;  // it keeps its number
    const auto known = std::find_if(ours.begin(), ours.end(), same);
    if (known == ours.end()) {
      const bool had = IsAcknowledged(queued.envelope()) || HoldsMark(entries_, queued.envelope()) ||
                       HoldsMark(theirs, queued.envelope());
      skipped |= had;
      if (had) continue;
      context_.routers.Remember(session_, session::MarkOf(queued.envelope()));
      session_.NoteQueued(queued.envelope());
      theirs.push_back(MakeEntry(*queued.mutable_envelope(), queued.at(), rpc::Receipt()));
    } else {
      theirs.push_back(std::move(*known));
      ours.erase(known);
    }
  }
  for (auto* part : {&theirs, &ours}) std::move(part->begin(), part->end(), std::back_inserter(entries_));
  // Positions in the list are numbers: they have to fit again.
  const bool fit = contents.length == contents.stanzas.size() + 1;
  if (seen || skipped || total < logged_ || !fit) return Rebuild(contents.length);
  trimmed_ = contents.header.acked();
  logged_ = issued_ = total;
  Ready();
}

bool Outbound::HoldsMark(const std::vector<Entry>& entries, const link::v1::Envelope& envelope) {
  return std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.IsByMark(envelope); });
}

// By the client, without Redis knowing.
bool Outbound::IsAcknowledged(const link::v1::Envelope& envelope) const {
  if (envelope.answers() != 0) {
    return std::find(answers_seen_.begin(), answers_seen_.end(), envelope.answers()) != answers_seen_.end();
  }
  const session::Mark mark = session::MarkOf(envelope);
  return std::any_of(seen_.begin(), seen_.end(), [mark](const session::v1::Seen& seen) {
    return mark.origin != 0 && seen.origin() == mark.origin && mark.seq <= seen.seq();
  });
}

void Outbound::Rebuild(std::size_t length) {
  std::vector<std::string_view> elements;
  elements.reserve(entries_.size() + 1);
  trimmed_ = acked_;
  const std::string header = session::Encode(Header(Close::kOpen));
  elements.push_back(header);
  const std::uint64_t handled = session_.uplink().handled();
  for (const auto& entry : entries_) elements.push_back(entry.element());
  state_ = State::kSyncing;
  auto rebuilt = [round = ++round_, upto = last(), handled](Session& session, const Result<bool>& done) {
    Outbound& self = session.management()->outbound();
    if (round != self.round_) return;
    if (!done) return self.Suspend();
    if (!*done) return self.Sync();  // it changed since it was read
    self.logged_ = self.issued_ = upto;
    self.stored_ = std::max(self.stored_, handled);
    self.Ready();
  };
  context_.metrics.sm_rebuilds.Increment();
  session::Rebuild(context_.redis, key_, length, elements, WhileAlive(session_.shared_from_this(), std::move(rebuilt)));
}

void Outbound::Ready() {
  state_ = State::kReady;
  for (std::uint64_t number = acked_ + 1; number <= logged_; ++number) At(number).SetTaken();
  Trim();
  AppendNew();
  WriteOut();
  if (logged_ == last()) CallWaiting();
}

// Whoever waits for a session that lives is told when the router has said whose it is.
void Outbound::Lost() {
  state_ = State::kLost;
  ++round_;
  if (hopeless()) return CallWaiting();
  context_.node.PutBack(session_.shared_from_this());
}

bool Outbound::hopeless() const {
  return state_ == State::kDown || (state_ == State::kLost && session_.state() == Session::State::kEnded);
}

void Outbound::WhenLogged(std::function<void()> done) {
  waiting_.push_back(std::move(done));
  if (hopeless() || logged()) CallWaiting();
}

void Outbound::CallWaiting() {
  for (const auto& waiting : std::exchange(waiting_, {})) waiting();
}

void Outbound::GiveBack() {
  for (std::uint64_t number = std::max(logged_, acked_) + 1; number <= last(); ++number) {
    At(number).GiveBack();
  }
}

// The client

Outbound::Verdict Outbound::Acknowledge(std::uint32_t h) {
  const std::uint32_t count = h - static_cast<std::uint32_t>(acked_);
  if (count > UINT32_MAX / 2) return Verdict::kFine;  // less than it acknowledged before
  if (count > written_ever_ - acked_) return Verdict::kTooHigh;
  if (count == 0) return Verdict::kFine;
  const std::size_t before = bytes_;
  const std::int64_t now = UnixMilliseconds();
  for (std::uint32_t i = 0; i < count; ++i) {
    bytes_ -= entries_[i].stanza().size();
    Remember(entries_[i], now);
  }
  entries_.erase(entries_.begin(), entries_.begin() + count);
  if (entries_.empty()) std::vector<Entry>().swap(entries_);
  context_.metrics.sm_unacknowledged.Decrement(count);
  context_.metrics.sm_unacknowledged_bytes.Decrement(static_cast<double>(before - bytes_));
  acked_ += count;
  written_ = std::max(written_, acked_);
  Plan();
  return Verdict::kFine;
}

void Outbound::MarkReplied(std::string_view id, std::string_view from) {
  const auto asked = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.unanswered() && entry.IsRequest(id, from); });
  if (asked != entries_.end()) {
    asked->SetReplied();
    any_replied_ = true;
  }
  UpdateHeader();  // else who goes on after our death answers it, too
}

void Outbound::UpdateHeader() {
  outdated_ = true;
  Plan();
}

std::vector<link::v1::Envelope> Outbound::UnansweredRequests() const {
  std::vector<link::v1::Envelope> requests;
  for (const Entry& entry : entries_) {
    if (entry.unanswered()) requests.push_back(entry.Envelope());
  }
  return requests;
}

bool Outbound::Holds(std::string_view id, std::string_view from) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.IsRequest(id, from); });
}

void Outbound::Attach() {
  written_ = acked_;
  WriteOut();
}

void Outbound::WriteOut() {
  const bool unlogged = state_ == State::kDown && !distrusted_;
  const std::uint64_t upto = unlogged ? last() : std::max(logged_, acked_);
  while (session_.attached() && written_ < upto) {
    const Entry& entry = At(++written_);
    if (written_ > written_ever_) {
      written_ever_ = written_;
      context_.metrics.stanzas_out.Add(entry.kind());
    }
    session_.WriteManaged(entry.stanza());
  }
}

void Outbound::Trim() {
  const std::uint64_t upto = std::min(acked_, logged_);
  if (state_ != State::kReady || upto <= trimmed_) return;
  const std::uint64_t count = upto - trimmed_;
  trimmed_ = upto;
  const auto header = Header(Close::kOpen);
  context_.metrics.sm_trims.Increment();
  session::Trim(context_.redis, key_, count, header, Noted());
}

void Outbound::StoreHandled(Close close, std::function<void(bool)> done) {
  if (state_ != State::kReady) return done(false);
  to_note_.push_back(std::move(done));
  close == Close::kOpen ? Plan() : SetHeader(close);
}

void Outbound::Note() {
  if (to_note_.empty() && !outdated_) return;
  if (state_ == State::kReady) return SetHeader(Close::kOpen);
  OnNoted(StartNoting(), false);
}

void Outbound::SetHeader(Close close) {
  context_.metrics.sm_headers.Increment();
  session::SetHeader(context_.redis, key_, Header(close), Noted());
}

// A header that counts on a trim which was not done would give everything behind it another number.
void Outbound::OnFailure(std::uint32_t round) {
  if (round == round_) Suspend();
}

Outbound::Noting Outbound::StartNoting() { return {session_.uplink().handled(), std::exchange(to_note_, {})}; }

std::function<void(Result<Ok>)> Outbound::Noted() {
  auto noted = [round = round_, noting = StartNoting()](Session& session, const Result<Ok>& done) {
    Outbound& self = session.management()->outbound();
    self.OnNoted(noting, static_cast<bool>(done));
    if (!done) self.OnFailure(round);
  };
  return WhileAlive(session_.shared_from_this(), std::move(noted));
}

void Outbound::OnNoted(const Noting& noting, bool noted) {
  if (noted) stored_ = std::max(stored_, noting.handled);
  for (const auto& done : noting.done) done(noted);
}

session::v1::QueueHeader Outbound::Header(Close close) {
  const std::int64_t old = UnixMilliseconds() - context_.config.c2s.sm_repeat_window.count();
  std::erase_if(seen_, [old](const session::v1::Seen& seen) { return seen.at() < old; });
  session::v1::QueueHeader header;
  header.set_acked(trimmed_);
  header.set_handled(session_.uplink().handled());
  header.set_base(session_.management()->base());
  header.set_settled(close == Close::kSettled && session_.uplink().idle());
  for (const auto& seen : seen_) *header.add_seen() = seen;
  std::erase_if(answered_, [&header](const auto& answered) { return answered.number() <= header.handled(); });
  for (const auto& answered : answered_) *header.add_answered() = answered;
  any_replied_ = any_replied_ && !entries_.empty();
  for (std::uint64_t number = acked_ + 1; any_replied_ && number <= last(); ++number) {
    if (At(number).replied()) header.add_replied(number);
  }
  session_.requests().Fill(header, [this](const auto& request) { return !Holds(request.id, request.from); });
  outdated_ = false;
  return header;
}

// Its repeat, or that of what it answers, may come when we are not the session's edge any more.
void Outbound::Remember(const Entry& entry, std::int64_t now) {
  if (entry.mark().origin != 0) RememberSeen(entry.mark(), now);
  if (entry.answers() == 0) return;
  if (entry.answers() > session_.uplink().handled()) answered_.push_back(entry.Answered());
  if (answers_seen_.size() == kMaxAnswersSeen) answers_seen_.erase(answers_seen_.begin());
  answers_seen_.push_back(entry.answers());
}

void Outbound::RememberSeen(const session::Mark& mark, std::int64_t now) {
  auto known = std::find_if(seen_.begin(), seen_.end(), [&](const auto& seen) { return seen.origin() == mark.origin; });
  if (known == seen_.end()) {
    if (seen_.size() == kMaxSeen) seen_.erase(seen_.begin());
    known = seen_.insert(seen_.end(), session::v1::Seen());
    known->set_origin(mark.origin);
  }
  known->set_seq(std::max(known->seq(), mark.seq));
  known->set_at(now);
}

}  // namespace parley::c2s
