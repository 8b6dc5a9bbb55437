#include "services/router/offline.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <tuple>

#include "libs/base/log.h"
#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/xml/element.h"
#include "libs/xmpp/jid.h"
#include "services/router/delay.h"

namespace parley::router {
namespace {

constexpr char kChatStates[] = "http://jabber.org/protocol/chatstates";
constexpr std::chrono::seconds kRetry{1};

// XEP-0160 section 3: a chat message with nothing but chat states is not worth keeping.
bool OnlyChatStates(const Envelope& message) {
  const auto element = xml::Element::Parse(message.stanza());
  if (!element) return false;
  bool any = false;
  for (const xml::Element* child : element->children()) {
    if (child->name() == "thread") continue;  // XEP-0085 5.1: may go with it
    if (child->ns() != kChatStates) return false;
    any = true;
  }
  return any;
}

// Without what depends on its way.
Envelope EnvelopeOf(const Account& account, const roster::v1::OfflineMessage& message) {
  Envelope envelope;
  envelope.set_kind(link::v1::KIND_MESSAGE);
  envelope.set_to(account.bare());
  envelope.set_stanza(WithDelay(message.stanza(), account.domain(), message.received_at()));
  envelope.set_received_at(message.received_at());
  envelope.set_origin(message.origin());
  envelope.set_origin_seq(message.origin_seq());
  envelope.set_kept(true);
  return envelope;
}

bool TakesMessages(const Account& account, const std::string& id) {
  const auto& all = account.sessions();
  return std::any_of(all.begin(), all.end(), [&](const Session& s) { return s.id() == id && s.takes_messages(); });
}

}  // namespace

// The acknowledgements of a batch.
struct Offline::Pending {
  std::size_t open = 0;
  Given given;
  std::function<void(Given)> done;

  void Settle(std::int64_t id, rpc::RefusalReason reason) {
    if (reason == link::v1::REFUSAL_REASON_UNSPECIFIED) given.accepted.push_back(id);
    if (reason == link::v1::REFUSAL_REASON_OVERLOADED) given.others_later = true;
    Close();
  }
  void Close() {
    if (--open == 0) done(std::move(given));
  }
};

Offline::Offline(const Parts& parts, const Options& options)
    : parts_(parts), batch_(options.offline_batch), recheck_(options.recheck_stored) {}

bool Offline::StoreNow(Account& account, Held& held) {
  const Envelope& message = *held.envelope;
  if (account.anonymous()) {
    parts_.sender.Bounce(account, std::move(held), xmpp::ServiceUnavailable());
    return true;
  }
  if (message.type() == link::v1::TYPE_CHAT && OnlyChatStates(message)) {
    parts_.sender.metrics().ignored.Increment();
    rpc::NoteOutcome(held.receipt, "ignored");
    held = Held();
    return true;
  }
  account.DoubtNothingStored();
  if (!parts_.store.up()) blind_.insert(account.bare());
  return parts_.spool.Take(account.bare(), held);
}

Task<void> Offline::Flush(Account& account, std::string session, Attempt attempt) {
  const bool flushed = co_await TryToFlush(account, session, attempt);
  if (!flushed) Later(account.bare(), std::move(session));
}

void Offline::Later(const std::string& bare, std::string session) {
  if (!to_resume_[bare].insert(session).second) return;
  parts_.tasks.Spawn("flush_later", ResumeLater(bare, std::move(session)));
}

bool Offline::GetsMoreLater(const std::string& bare, const std::string& session) const {
  const auto sessions = to_resume_.find(bare);
  return sessions != to_resume_.end() && sessions->second.contains(session);
}

bool Offline::Owes(const Account& account, const Session& session) const {
  return session.stored == Session::Stored::kLeft && !session.away() && GetsMoreLater(account.bare(), session.id());
}

bool Offline::MustPassOn(const Account& account) const {
  if (to_resume_.empty()) return false;
  const auto sessions = to_resume_.find(account.bare());
  if (sessions == to_resume_.end()) return false;
  const auto takes = [&account](const std::string& id) { return TakesMessages(account, id); };
  return !std::all_of(sessions->second.begin(), sessions->second.end(), takes);
}

Task<void> Offline::PassOn(Account& account) {
  const auto sessions = to_resume_.find(account.bare());
  if (sessions == to_resume_.end()) co_return;
  const auto gone = std::erase_if(sessions->second, [&](const std::string& id) { return !TakesMessages(account, id); });
  if (sessions->second.empty()) to_resume_.erase(sessions);
  if (gone == 0) co_return;
  const auto rank = [](const Session& s) { return std::tuple(s.takes_messages(), s.record.priority(), !s.away()); };
  const auto& all = account.sessions();
  const auto next =
      std::max_element(all.begin(), all.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  if (next == all.end() || !next->takes_messages() || GetsMoreLater(account.bare(), next->id())) co_return;
  std::string id = next->id();
  Note(account, id, Session::Stored::kLeft);
  co_await GoOn(account, std::move(id));
}

Task<void> Offline::AfterLoad(Account& account) {
  const bool blind = blind_.erase(account.bare()) > 0;
  if (account.anonymous()) co_return;
  std::vector<std::string> doubtful;
  for (const auto& session : account.sessions()) {
    // An orphan gets it with what is new.
    const bool lacks = session.takes_messages() && !session.away() && (blind || MayBeOwed(account, session));
    if (lacks) doubtful.push_back(session.id());
  }
  for (auto& id : doubtful) {
    parts_.sender.metrics().stored_rechecked.Increment();
    Note(account, id, Session::Stored::kLeft);
    co_await GoOn(account, std::move(id));
  }
}

bool Offline::MayBeOwed(const Account& account, const Session& session) const {
  const bool is_new = session.record.bound_at() + recheck_.count() > UnixMilliseconds();
  return session.stored == Session::Stored::kUnknown && (is_new || GetsMoreLater(account.bare(), session.id()));
}

void Offline::OnRedisUp() {
  if (blind_.empty() || std::exchange(reading_blind_, true)) return;
  parts_.tasks.Spawn("read_blind", ReadBlind(), [this] { reading_blind_ = false; });
}

Task<void> Offline::ReadBlind() {
  bool read = true;
  while (read && !blind_.empty()) {
    std::function<void(std::function<void(bool)>)> start = [this](std::function<void(bool)> done) {
      AccountTable::Job job;
      job.run = [this, done](Account& account) { return ReadOne(account, done); };
      job.failed = [done] { done(false); };  // again when Redis is back
      parts_.accounts.Post(*blind_.begin(), std::move(job));
    };
    read = co_await Await<bool>(std::move(start));
  }
}

Task<void> Offline::ReadOne(Account& account, std::function<void(bool)> done) {
  co_await AfterLoad(account);
  done(parts_.store.up());
}

Task<void> Offline::Resume(Account& account, std::string id) {
  const Session* session = account.WithId(id);
  if (session == nullptr || !session->takes_messages() || account.anonymous()) co_return;
  co_await Flush(account, std::move(id), Attempt::kRepeat);
}

Task<void> Offline::ResumeLater(std::string bare, std::string id) {
  co_await parts_.rosters.MayBeBack();
  AccountTable::Job job;
  job.run = [this, id](Account& account) { return TryAgain(account, id); };
  job.failed = [this, bare, id] { parts_.tasks.Spawn("flush_later", ResumeLater(bare, id)); };
  parts_.accounts.Post(bare, std::move(job));
}

Task<void> Offline::TryAgain(Account& account, std::string id) {
  co_await PassOn(account);
  const auto sessions = to_resume_.find(account.bare());
  if (sessions == to_resume_.end() || sessions->second.erase(id) == 0) co_return;
  if (sessions->second.empty()) to_resume_.erase(sessions);
  co_await GoOn(account, std::move(id));
}

Task<void> Offline::GoOn(Account& account, std::string id) {
  const Session* session = account.WithId(id);
  if (session == nullptr) co_return;
  if (session->stored == Session::Stored::kLeft) {
    if (session->away()) co_return;  // see Owes
    // Not in the account's turn: the link may be long in coming.
    if (!parts_.sender.Linked(*session)) co_return Later(account.bare(), std::move(id));
  }
  co_await Resume(account, std::move(id));
}

Task<bool> Offline::TryToFlush(Account& account, std::string session_id, Attempt attempt) {
  Reading reading{session_id};
  const Session* before = account.WithId(session_id);
  reading.patient = before == nullptr || before->stored != Session::Stored::kLater;
  Note(account, session_id, Session::Stored::kLeft);
  co_await parts_.spool.Stored(account.bare());
  bool more = attempt == Attempt::kRepeat || !account.nothing_stored();
  while (more) {
    const auto answer = co_await Fetch(account, reading);
    if (answer.problem() == roster::v1::PROBLEM_STORE) {
      Note(account, session_id, Session::Stored::kLater);
      co_return false;
    }
    const Batch& batch = answer.offline_messages();
    const Session* session = account.WithId(session_id);
    if (session == nullptr) co_return false;  // see PassOn
    if (batch.messages().empty()) break;
    const Given given = co_await Give(account, *session, batch);
    const bool all = given.accepted.size() == static_cast<std::size_t>(batch.messages_size());
    if (!all) co_return !given.others_later;
    more = batch.more();
  }
  Note(account, session_id, Session::Stored::kGiven);
  co_return true;
}

void Offline::Note(Account& account, const std::string& session_id, Session::Stored stored) {
  if (Session* session = account.WithId(session_id)) session->stored = stored;
}

// The next batch.
Task<roster::v1::Answer> Offline::Fetch(Account& account, Reading& reading) {
  roster::v1::Ask ask;
  ask.mutable_fetch_offline()->set_owner(account.bare());
  ask.mutable_fetch_offline()->set_limit(batch_);
  ask.mutable_fetch_offline()->set_after_id(reading.after);
  ask.set_session(reading.session);
  auto answer = co_await parts_.rosters.Ask(account.bare(), ask);
  while (answer.problem() == roster::v1::PROBLEM_STORE && reading.patient) {
    reading.patient = co_await parts_.spool.MayPass(account.bare(), reading.begun);
    if (reading.patient) answer = co_await parts_.rosters.Ask(account.bare(), ask);
  }
  const auto& messages = answer.offline_messages().messages();
  if (!messages.empty()) reading.after = messages.rbegin()->id();
  co_return answer;
}

// What is taken is deleted.
Task<Offline::Given> Offline::Give(Account& account, const Session& session, const Batch& batch) {
  Given given;
  if (session.away()) {
    given = co_await QueueBatch(account, session.id(), batch);
  } else {
    given = co_await DeliverBatch(account, session, batch);
  }
  if (!given.accepted.empty()) co_await Delete(account.bare(), given.accepted);
  co_return given;
}

// Another router may do the same at the same time, as where an edge reaches only one of us: so its edge has to look
// whether it had it. It goes by exact numbers for what was kept.
Task<Offline::Given> Offline::DeliverBatch(Account& account, const Session& session, const Batch& batch) {
  auto pending = std::make_shared<Pending>();
  std::function<void(std::function<void(Given)>)> start = [&](std::function<void(Given)> done) {
    pending->done = std::move(done);
    pending->open = 1;  // until all are sent
    std::uint32_t place = 0;
    for (const auto& message : batch.messages()) {
      if (IsUndeleted(account.bare(), message.id())) {
        pending->given.accepted.push_back(message.id());
        continue;
      }
      Envelope envelope = EnvelopeOf(account, message);
      envelope.set_repeat(true);
      envelope.set_batch_place(++place);
      ++pending->open;
      Receipt receipt([pending, id = message.id()](rpc::RefusalReason reason) { pending->Settle(id, reason); });
      parts_.sender.Deliver(session, std::move(envelope), std::move(receipt));
    }
    pending->Close();
  };
  co_return co_await Await<Given>(start);
}

// Its edge may have had some of it, and so may a router that died meanwhile.
Task<Offline::Given> Offline::QueueBatch(Account& account, std::string session, const Batch& batch) {
  Given queued;
  for (const auto& message : batch.messages()) {
    Envelope envelope = EnvelopeOf(account, message);
    envelope.set_leg(link::v1::LEG_DELIVER);
    envelope.set_session(session);
    envelope.set_repeat(true);
    if (!IsUndeleted(account.bare(), message.id())) {
      const auto outcome = co_await parts_.queues.Append(account, envelope);
      if (outcome != OrphanQueues::Outcome::kQueued) break;
    }
    queued.accepted.push_back(message.id());
  }
  co_return queued;
}

bool Offline::IsUndeleted(const std::string& owner, std::int64_t id) const {
  const auto undeleted = undeleted_.find(owner);
  return undeleted != undeleted_.end() && undeleted->second.contains(id);
}

Task<void> Offline::Delete(std::string owner, Ids ids) {
  const bool deleted = co_await TryDelete(owner, ids);
  if (deleted) co_return;
  auto& kept = undeleted_[owner];
  const bool first = kept.empty();
  kept.insert(ids.begin(), ids.end());
  if (first) parts_.tasks.Spawn("delete_offline", DeleteUntilDone(owner));
}

Task<bool> Offline::TryDelete(std::string owner, Ids ids) {
  roster::v1::Ask ask;
  ask.mutable_delete_offline()->set_owner(owner);
  ask.mutable_delete_offline()->mutable_ids()->Assign(ids.begin(), ids.end());
  const auto answer = co_await parts_.rosters.Ask(owner, std::move(ask));
  const bool gone = answer.problem() == roster::v1::PROBLEM_NO_ACCOUNT;
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED && !gone) co_return false;
  const auto kept = undeleted_.find(owner);
  if (kept == undeleted_.end()) co_return true;
  for (const auto id : ids) kept->second.erase(id);
  if (kept->second.empty() || gone) undeleted_.erase(kept);
  co_return true;
}

Task<void> Offline::DeleteUntilDone(std::string owner) {
  while (undeleted_.contains(owner)) {
    co_await SleepFor(kRetry);
    const auto kept = undeleted_.find(owner);
    if (kept == undeleted_.end()) co_return;
    Ids ids(kept->second.begin(), kept->second.end());
    co_await TryDelete(owner, std::move(ids));
  }
}

}  // namespace parley::router
