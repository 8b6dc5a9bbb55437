#include "services/router/offline_spool.h"

#include <utility>

#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/session/queue.h"

namespace parley::router {
namespace {

xmpp::StanzaError Refusal(roster::v1::Problem problem) {
  switch (problem) {
    case roster::v1::PROBLEM_NO_ACCOUNT:  // RFC 6121 8.5.1
      return xmpp::ServiceUnavailable();
    case roster::v1::PROBLEM_TOO_MANY:  // XEP-0160 section 2, step 3
      return xmpp::ServiceUnavailable("The recipient's queue for offline messages is full");
    case roster::v1::PROBLEM_INVALID:
      return xmpp::NotAcceptable();
    default:
      return xmpp::ResourceConstraint("Messages cannot be stored at the moment; try later");
  }
}

bool IsLeft(const Envelope& message) { return !message.unacknowledged_by().empty(); }

}  // namespace

OfflineSpool::OfflineSpool(Loop& loop, Tasks& tasks, Sender& sender, RosterClient& rosters, const Options& options)
    : loop_(loop),
      tasks_(tasks),
      sender_(sender),
      rosters_(rosters),
      batch_(options.offline_batch),
      max_asked_(options.max_storing) {}

bool OfflineSpool::Take(const std::string& owner, Held& held) {
  if (asked_ >= max_asked_) {
    sender_.metrics().limits_storing.Increment();
    return false;
  }
  auto& round = rounds_[owner];
  if (!round) {
    round = std::make_shared<Round>();
    loop_.AtEndOfTurn([begun = std::weak_ptr(round)] {
      if (const auto alive = begun.lock()) alive->closed = true;
    });
  }
  if (round->closed || round->messages.size() >= batch_) return false;
  ++round->unanswered;
  sender_.metrics().storing.Set(static_cast<double>(++asked_));
  Store(owner, round->messages.emplace_back(std::move(held)));
  return true;
}

void OfflineSpool::Store(const std::string& owner, Held& message) {
  if (message.envelope->received_at() == 0) message.envelope->set_received_at(UnixMilliseconds());
  tasks_.Spawn("store_offline", Ask(owner, message), [this, owner] { OnAnswered(owner); });
}

Task<void> OfflineSpool::Ask(std::string owner, Held& message) {
  const auto abandoned = [&message] { return message.receipt.severed(); };
  const auto answer =
      co_await rosters_.Ask(owner, AskOf(owner, *message.envelope), RosterClient::Change::kFirst, abandoned);
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED && abandoned()) co_return;  // sent again to another router
  Settle(std::move(message), answer.problem());
}

roster::v1::Ask OfflineSpool::AskOf(const std::string& owner, const Envelope& message) {
  roster::v1::Ask ask;
  auto& store = *ask.mutable_store_offline();
  store.set_owner(owner);
  store.set_stanza(message.stanza());
  store.set_received_at(message.received_at());
  // What a session left unacknowledged may have been stored under its own identity, delivered to it, and forgotten.
  const bool anew = IsLeft(message);
  store.set_origin(anew ? session::OriginOfUnacknowledged(message.unacknowledged_by()) : message.origin());
  store.set_origin_seq(anew ? message.unacknowledged_number() : message.origin_seq());
  Concern(message, ask);
  return ask;
}

void OfflineSpool::Settle(Held message, roster::v1::Problem problem) {
  if (problem != roster::v1::PROBLEM_UNSPECIFIED) return sender_.Bounce(std::move(message), Refusal(problem));
  sender_.metrics().stored.Increment();
  if (IsLeft(*message.envelope)) sender_.metrics().unacknowledged_stored.Increment();
  rpc::NoteOutcome(message.receipt, "stored");
}

bool OfflineSpool::HoldsTurn(const std::string& owner) const {
  const auto found = rounds_.find(owner);
  return found != rounds_.end() && found->second->waiting;
}

void OfflineSpool::OnAnswered(const std::string& owner) {
  sender_.metrics().storing.Set(static_cast<double>(--asked_));
  const auto round = rounds_.at(owner);
  if (--round->unanswered == 0) {
    rounds_.erase(owner);
    if (round->waiting) Wake(std::move(round->waiting));
  }
  // Who is woken may have nothing to store any more; while others are asked for, they wake the next.
  for (std::size_t room = asked_ == 0 ? waiting_.size() : max_asked_ - asked_; room > 0 && !waiting_.empty(); --room) {
    Wake(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

void OfflineSpool::Wake(Resume waiting) {
  loop_.Post([waiting = std::move(waiting)] { waiting(true); });
}

Task<void> OfflineSpool::Room(std::string owner) {
  if (storing(owner)) {
    co_await Stored(std::move(owner));
    co_return;
  }
  std::function<void(Resume)> start = [this](Resume resume) { waiting_.push_back(std::move(resume)); };
  if (asked_ >= max_asked_) co_await Await<bool>(std::move(start));
}

Task<void> OfflineSpool::Stored(std::string owner) {
  const auto found = rounds_.find(owner);
  if (found == rounds_.end()) co_return;
  const auto round = found->second;
  std::function<void(Resume)> start = [round](Resume resume) { round->waiting = std::move(resume); };
  co_await Await<bool>(std::move(start));
}

}  // namespace parley::router
