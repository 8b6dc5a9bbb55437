#include "services/router/unacknowledged.h"

#include <algorithm>
#include <unordered_set>

#include "libs/base/log.h"
#include "libs/base/unix_time.h"
#include "libs/session/acknowledged.h"
#include "libs/xml/element.h"
#include "libs/xmpp/jid.h"
#include "libs/xmpp/request.h"
#include "services/router/acknowledged.h"

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kRetry{500};
constexpr int kTries = 2;

// Messages and others' requests; presence, answers and what the server asked (roster pushes) were for that session
// alone. Of subscription requests the roster service knows.
bool ForOthersToo(const Envelope& envelope, std::string_view account) {
  if (envelope.kind() == link::v1::KIND_MESSAGE) return true;
  const bool ours = envelope.from().empty() || envelope.from() == account;
  return envelope.kind() == link::v1::KIND_IQ && xmpp::IsRequest(envelope.type()) && !ours;
}

// RFC 6120 8.2.3: a request is answered once.
bool Replied(const session::v1::QueueHeader& header, std::uint64_t number) {
  return std::find(header.replied().begin(), header.replied().end(), number) != header.replied().end();
}

bool HasCopies(const session::QueueContents& contents) {
  return std::any_of(contents.stanzas.begin(), contents.stanzas.end(),
                     [](const session::v1::Queued& queued) { return queued.envelope().copied(); });
}

// A copy went to each session of the highest priority, and one has ended that had acknowledged its own, or another of
// them is there yet: should it not acknowledge its own either, it is the last, and owes it. In doubt the message comes
// twice: so none of this if the session that ended said unavailable before (its priority is not known any more).
bool OthersHadIt(const Account& account, const Record& ended, const session::v1::Queued& queued) {
  if (!queued.envelope().copied()) return false;
  if (account.acknowledged() && account.acknowledged()->HasCopy(queued.envelope())) return true;
  if (ended.presence().empty()) return false;
  const auto had_it = [&](const Session& other) {
    const bool before = other.record.bound_at() <= queued.envelope().received_at();
    return before && other.takes_messages() && other.record.priority() >= ended.priority();
  };
  return std::any_of(account.sessions().begin(), account.sessions().end(), had_it);
}

// What came from the offline store has only its stanza: whom to answer is in there.
void ReadSender(Envelope& envelope) {
  const auto element = xml::Element::Parse(envelope.stanza());
  if (!element) return;
  envelope.set_from(std::string(element->attr("from").value_or("")));
  envelope.set_id(std::string(element->attr("id").value_or("")));
  if (element->attr("type") == "chat") envelope.set_type(link::v1::TYPE_CHAT);
}

Held Again(session::v1::Queued queued, const std::string& session, std::uint64_t number, const Receipt& told) {
  Held held;
  held.envelope.reset(new Envelope(std::move(*queued.mutable_envelope())));
  held.receipt = told;
  Envelope& envelope = *held.envelope;
  if (envelope.from().empty()) ReadSender(envelope);
  envelope.set_leg(link::v1::LEG_INBOUND);
  envelope.set_repeat(true);
  envelope.clear_session();
  envelope.clear_answers();
  envelope.clear_copied();
  envelope.set_unacknowledged_by(session);
  envelope.set_unacknowledged_number(number);
  // Of what came from the store, when it was stored first; not if a former release took it from there.
  if (!envelope.kept() || envelope.received_at() == 0) envelope.set_received_at(queued.at());
  envelope.clear_kept();
  return held;
}

}  // namespace

Task<Unacknowledged::Whose> Unacknowledged::HandleAgain(Account& account, Ended ended, Receipt told) {
  const std::string session = ended.record.session();
  const auto done = co_await TryAgain(account, ended, told);
  if (done) {
    parts_.accounts.PostReturned(account.bare(), TakeKept(returned_, session));
    co_return *done;
  }
  returned_.try_emplace(session);
  parts_.tasks.Spawn("handle_unacknowledged", Later(account.bare(), std::move(ended), std::move(told)));
  co_return Whose::kOurs;
}

Task<Result<Unacknowledged::Whose>> Unacknowledged::TryAgain(Account& account, Ended& ended, Receipt told) {
  if (!ended.as.session.empty()) {
    const auto retired = co_await parts_.store.Retire(account.bare(), ended.record, ended.as, Record());
    if (!retired) co_return retired.error();
    // If it was refused, the session lives, claimed by means of another router, or that has begun to end it, and may
    // not get to the end of that: whether its queue is there tells. It may be another edge's by now.
    if (*retired != SessionStore::Write::kDone) ended.header.clear();
  }
  co_return co_await Load(account, ended, std::move(told));
}

Task<Result<Unacknowledged::Whose>> Unacknowledged::Load(Account& account, const Ended& ended, Receipt told) {
  const Record retired = SessionStore::Retired(ended.record);
  auto contents = co_await parts_.store.LoadQueue(account.bare(), retired.queue());
  if (!contents) co_return contents.error();
  if (!*contents) co_return co_await Ask(account, ended.record.session());
  if (session::v1::QueueHeader header; !ended.header.empty() && header.ParseFromString(ended.header)) {
    session::Supersede(**contents, std::move(header));
  }
  if (HasCopies(**contents)) co_await KnowAcknowledged(account);
  Post(account, ended, std::move(**contents), told);
  co_return Whose::kOurs;
}

// Once more if we stood still before we could act on the answer.
Task<Result<Unacknowledged::Whose>> Unacknowledged::Ask(const Account& account, std::string session) {
  for (int i = 0; i < kTries; ++i) {
    const auto asked = Clock::now();
    const auto finished = co_await parts_.store.IsFinished(account.bare(), session);
    if (!finished) co_return finished.error();
    if (*finished) co_return Whose::kAnothers;
    if (Clock::now() - asked < options_.standstill) {
      still_owed_.Note(session, asked);
      co_return Whose::kOurs;
    }
    parts_.metrics.standstills.Increment();
  }
  co_return Error("Redis answers too late");
}

Task<bool> Unacknowledged::Owed(const Account& account, Held& held) {
  const std::string session = held.envelope->unacknowledged_by();
  const auto deferred = deferred_.find(session);
  if (deferred != deferred_.end()) {
    Keep(deferred->second, std::move(held));
    co_return false;
  }
  auto whose = co_await Ask(account, session);
  // In the account's turn: what comes meanwhile waits in its mailbox, which has a limit of its own. What a session left
  // stays together and in order.
  if (!whose && deferring_ >= options_.max_deferred) parts_.metrics.limits_deferred.Increment();
  while (!whose && deferring_ >= options_.max_deferred) {
    co_await SleepFor(kRetry);
    whose = co_await Ask(account, session);
  }
  if (!whose) {
    Keep(deferred_[session], std::move(held));
    parts_.tasks.Spawn("defer_unacknowledged", Defer(account.bare(), session));
    co_return false;
  }
  if (*whose == Whose::kOurs) co_return true;
  parts_.metrics.unacknowledged_elsewhere.Increment();
  held = Held();
  co_return false;
}

bool Unacknowledged::TakeReturned(Held& returned) {
  const auto late = returned_.find(returned.envelope->session());
  if (late == returned_.end()) return false;
  if (deferring_ >= options_.max_deferred) {
    parts_.metrics.limits_deferred.Increment();
    return false;
  }
  Keep(late->second, std::move(returned));
  return true;
}

bool Unacknowledged::SurelyOwed(const Envelope& left) const {
  const std::string& session = left.unacknowledged_by();
  return !deferred_.contains(session) && still_owed_.Is(session, Clock::now());
}

void Unacknowledged::Recognise(Envelope& repeat) {
  if (left_.Rename(repeat, Clock::now())) parts_.metrics.unacknowledged_again.Increment();
}

void Unacknowledged::Keep(std::vector<Held>& deferred, Held held) {
  deferred.push_back(std::move(held));
  parts_.metrics.deferred.Set(static_cast<double>(++deferring_));
}

Task<void> Unacknowledged::Defer(std::string bare, std::string session) {
  do {
    co_await SleepFor(kRetry);
  } while (!parts_.store.up());
  parts_.accounts.PostFirst(bare, TakeKept(deferred_, session));
}

std::vector<Held> Unacknowledged::TakeKept(std::map<std::string, std::vector<Held>>& deferred,
                                           const std::string& session) {
  auto kept = deferred.extract(session);
  if (!kept) return {};
  deferring_ -= kept.mapped().size();
  parts_.metrics.deferred.Set(static_cast<double>(deferring_));
  return std::move(kept.mapped());
}

Task<void> Unacknowledged::Later(std::string bare, Ended ended, Receipt told) {
  log::Warn("unacknowledged_wait_for_redis", {{"session", ended.record.session()}});
  do {
    co_await SleepFor(kRetry);
  } while (!parts_.store.up());
  AccountTable::Job job;
  job.run = [this, ended, told](Account& account) { return HandleLate(account, ended, told); };
  job.failed = [this, bare, ended, told] { parts_.tasks.Spawn("handle_unacknowledged", Later(bare, ended, told)); };
  parts_.accounts.Post(bare, std::move(job));
}

Task<void> Unacknowledged::HandleLate(Account& account, Ended ended, Receipt told) {
  co_await HandleAgain(account, std::move(ended), std::move(told));
}

void Unacknowledged::Post(const Account& account, const Ended& ended, session::QueueContents contents,
                          const Receipt& told) {
  const std::string& session = ended.record.session();
  parts_.past.Remember(session, contents);
  const auto& header = contents.header;
  RememberAcknowledged(account, session, contents);
  // XEP-0198 section 5: "h" of a resumption that comes too late, modulo 2^32.
  const auto handled = static_cast<std::uint32_t>(header.handled() - header.base());
  if (ended.reason != "closed")
    parts_.store.RememberEnded(account.bare(), session, handled, options_.sm_remember_ended);
  Answer(account.bare(), ended.record, header, told);
  std::vector<Held> again;
  std::uint64_t number = header.acked();
  std::unordered_set<std::uint64_t> had;
  // An edge that said how the session stood may not have known that Redis had got the last ones: by their very numbers,
  // as what others added may be older.
  Acknowledged acknowledged(1);
  acknowledged.Add(session::AcknowledgedSince(header, 0));
  for (auto& queued : contents.stanzas) {
    ++number;
    const std::uint64_t identity = IdentityOf(queued.envelope());
    const bool twice = identity != 0 && !had.insert(identity).second;
    const bool over = twice || acknowledged.Has(queued.envelope()) || acknowledged.HasCopy(queued.envelope());
    const bool owed = !over && ForOthersToo(queued.envelope(), account.bare()) && !Replied(header, number);
    if (owed && !OthersHadIt(account, ended.record, queued)) {
      again.push_back(Again(std::move(queued), session, number, told));
      if (!left_.Note(*again.back().envelope, Clock::now())) parts_.metrics.limits_left.Increment();
    } else {
      parts_.metrics.unacknowledged_ended.Increment();
    }
  }
  parts_.accounts.PostFirst(account.bare(), std::move(again));
}

void Unacknowledged::Answer(const std::string& bare, const Record& ended, const session::v1::QueueHeader& header,
                            const Receipt& told) {
  const std::vector<session::v1::Asked> asked(header.asked().begin(), header.asked().end());
  const std::uint64_t first = header.acked() - std::min<std::uint64_t>(header.acked(), asked.size()) + 1;
  parts_.unanswered.Answer(bare, ended, asked, first, told);
  for (const auto& answering : header.answering()) {
    if (answering.answer() > header.handled()) parts_.unanswered.Answer(bare, ended, {answering}, 0, told);
  }
}

void Unacknowledged::RememberAcknowledged(const Account& account, const std::string& session,
                                          const session::QueueContents& contents) {
  if (options_.sm_remember_ends == 0) return;
  const std::int64_t now = UnixMilliseconds();
  auto acknowledged = session::AcknowledgedSince(contents.header, now - options_.sm_remember_acknowledged.count());
  // Its client has answered them, or we do.
  for (const auto& queued : contents.stanzas) {
    const Envelope& left = queued.envelope();
    const bool request = xmpp::IsRequest(left.type()) && ForOthersToo(left, account.bare());
    if (request) session::Add(acknowledged, session::MarkOf(left), now);
  }
  if (acknowledged.seen().empty()) return;
  parts_.store.RememberAcknowledged(session, acknowledged);
  if (account.acknowledged()) account.acknowledged()->Add(std::move(acknowledged));
}

Task<bool> Unacknowledged::AcknowledgedBefore(Account& account, const Envelope& repeat) {
  const bool known = co_await KnowAcknowledged(account);
  co_return known&& account.acknowledged()->Has(repeat);
}

Task<bool> Unacknowledged::AnotherHad(Account& account, const Envelope& returned) {
  if (!returned.copied()) co_return false;
  const bool known = co_await KnowAcknowledged(account);
  if (!known) co_return false;
  co_return account.acknowledged()->HasCopy(returned);
}

// When it is needed first: most accounts never have a repeat.
Task<bool> Unacknowledged::KnowAcknowledged(Account& account) {
  if (account.acknowledged()) co_return true;
  auto ends = co_await parts_.store.LoadAcknowledged(account.bare());
  if (!ends) co_return false;
  account.acknowledged() = std::make_shared<Acknowledged>(options_.sm_remember_ends);
  for (auto& end : *ends) account.acknowledged()->Add(std::move(end));
  co_return true;
}

}  // namespace parley::router
