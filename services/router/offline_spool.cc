#include "services/router/offline_spool.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/session/queue.h"
#include "services/router/delay.h"

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

}  // namespace

OfflineSpool::OfflineSpool(Loop& loop, Tasks& tasks, AccountTable& accounts, Sender& sender, RosterClient& rosters,
                           const Options& options)
    : loop_(loop),
      tasks_(tasks),
      accounts_(accounts),
      sender_(sender),
      rosters_(rosters),
      batch_(options.offline_batch),
      room_(std::make_shared<StoreRoom>(
          loop,
          StoreRoom::Options{options.max_storing, options.roster_doubt_timeout,
                             [&accounts](const std::string& owner) { return accounts.HasOvertakers(owner); }},
          sender.metrics())) {}

bool OfflineSpool::Take(const std::string& owner, Held& held) {
  const auto found = rounds_.find(owner);
  const bool full = found != rounds_.end() && (found->second->closed || found->second->messages.size() >= batch_);
  if (full || !room_->Take(owner)) return false;
  auto& round = found != rounds_.end() ? found->second : rounds_[owner];
  if (!round) round = Begin();
  ++round->unanswered;
  Store(owner, round->messages.emplace_back(std::move(held)));
  return true;
}

std::shared_ptr<OfflineSpool::Round> OfflineSpool::Begin() {
  auto round = std::make_shared<Round>();
  loop_.AtEndOfTurn([begun = std::weak_ptr(round)] {
    if (const auto alive = begun.lock()) alive->closed = true;
  });
  return round;
}

void OfflineSpool::Store(const std::string& owner, Held& message) {
  if (message.envelope->received_at() == 0) message.envelope->set_received_at(UnixMilliseconds());
  tasks_.Spawn("store_offline", Ask(owner, message), [this, owner, &message] {
    // Still there: something was thrown, and it may be neither stored nor refused. So it is its sender's.
    message.receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
    message.envelope.reset();
    OnAnswered(owner);
  });
}

Task<void> OfflineSpool::Ask(std::string owner, Held& message) {
  const auto abandoned = [&message] { return message.receipt.severed(); };
  const auto answer =
      co_await rosters_.Ask(owner, AskOf(owner, *message.envelope), RosterClient::Change::kFirst, abandoned);
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED && abandoned()) co_return;  // sent again to another router
  Held answered;
  answered.envelope = std::move(message.envelope);
  answered.receipt = message.receipt;
  Settle(std::move(answered), answer.problem());
  message.receipt = Receipt();
}

// What a session left unacknowledged may have been stored under its own identity, delivered to it, and forgotten.
OfflineSpool::Name OfflineSpool::NameOf(const Envelope& message) {
  if (!IsLeft(message)) return {std::string(message.origin()), message.origin_seq()};
  return {session::OriginOfUnacknowledged(message.unacknowledged_by()), message.unacknowledged_number()};
}

roster::v1::Ask OfflineSpool::AskOf(const std::string& owner, const Envelope& message) {
  roster::v1::Ask ask;
  auto& store = *ask.mutable_store_offline();
  store.set_owner(owner);
  const std::string_view domain = std::string_view(owner).substr(owner.find('@') + 1);
  store.set_stanza(WithoutDelay(message.stanza(), domain, message.received_at()));
  store.set_received_at(message.received_at());
  Name name = NameOf(message);
  store.set_origin(std::move(name.origin));
  store.set_origin_seq(name.number);
  Concern(message, ask);
  return ask;
}

void OfflineSpool::Settle(Held message, roster::v1::Problem problem) {
  if (problem != roster::v1::PROBLEM_UNSPECIFIED) return sender_.Bounce(std::move(message), Refusal(problem));
  sender_.metrics().stored.Increment();
  if (IsLeft(*message.envelope)) sender_.metrics().unacknowledged_stored.Increment();
  rpc::NoteOutcome(message.receipt, "stored");
}

bool OfflineSpool::MayLetIn(const roster::v1::StoreOffline& ask) const {
  const auto found = rounds_.find(ask.owner());
  if (found == rounds_.end() || !found->second->waiting) return false;
  const auto& messages = found->second->messages;
  const auto last =
      std::find_if(messages.rbegin(), messages.rend(), [](const Held& held) { return held.envelope != nullptr; });
  return last != messages.rend() && NameOf(*last->envelope) == Name{ask.origin(), ask.origin_seq()};
}

void OfflineSpool::OnAnswered(const std::string& owner) {
  const auto round = rounds_.at(owner);
  if (--round->unanswered == 0) {
    rounds_.erase(owner);
    if (round->waiting) loop_.Post([waiting = std::move(round->waiting)] { waiting(true); });
  }
  room_->Free();
}

Task<bool> OfflineSpool::Room(std::string owner) {
  if (on_its_way(owner)) {
    co_await Stored(std::move(owner));
    co_return true;
  }
  const auto news = co_await room_->Wait(owner);
  if (news == StoreRoom::News::kOvertakers) co_await accounts_.LetIn(std::move(owner));
  co_return news != StoreRoom::News::kLate;
}

void OfflineSpool::Refuse(Held held) {
  if (held.receipt.severed()) return;  // its sender has sent it again
  sender_.metrics().storing_late.Increment();
  Settle(std::move(held), roster::v1::PROBLEM_STORE);
}

Task<void> OfflineSpool::Stored(std::string owner) {
  const auto found = rounds_.find(owner);
  if (found == rounds_.end()) co_return;
  const auto round = found->second;
  std::function<void(Resume)> start = [round](Resume resume) { round->waiting = std::move(resume); };
  co_await Await<bool>(std::move(start));
}

}  // namespace parley::router
