#include "services/router/offline_spool.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/session/queue.h"
#include "services/router/delay.h"

namespace parley::router {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetry{100};

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
      patience_(options.roster_timeout),
      outage_(options.roster_timeout),
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
  Message& message = round->messages.emplace_back();
  message.held = std::move(held);
  Store(owner, message);
  return true;
}

OfflineSpool::RoundPtr OfflineSpool::Begin() {
  auto round = std::make_shared<Round>();
  loop_.AtEndOfTurn([begun = std::weak_ptr(round)] {
    if (const auto alive = begun.lock()) alive->closed = true;
  });
  return round;
}

void OfflineSpool::Store(const std::string& owner, Message& message) {
  Envelope& envelope = *message.held.envelope;
  if (envelope.received_at() == 0) envelope.set_received_at(UnixMilliseconds());
  message.state = Message::State::kAsked;
  tasks_.Spawn("store_offline", Ask(owner, message), [this, owner, &message] {
    if (message.state != Message::State::kFailed) End(message);
    OnAnswered(owner);
  });
}

Task<void> OfflineSpool::Ask(std::string owner, Message& message) {
  Held& held = message.held;
  const auto abandoned = [&held] { return held.receipt.severed(); };
  const auto answer =
      co_await rosters_.TryAsk(owner, AskOf(owner, *held.envelope), RosterClient::Change::kFirst, abandoned);
  const auto problem = answer ? answer->problem() : roster::v1::PROBLEM_STORE;
  if (problem != roster::v1::PROBLEM_UNSPECIFIED && abandoned()) co_return;  // sent again to another router
  if (answer && problem == roster::v1::PROBLEM_STORE) {
    outage_.OnFailure(Clock::now());
    message.state = Message::State::kFailed;
    co_return;
  }
  if (problem == roster::v1::PROBLEM_UNSPECIFIED) message.state = Message::State::kStored;
  Held answered;
  answered.envelope = std::move(held.envelope);
  answered.receipt = held.receipt;
  Settle(std::move(answered), problem);
  held.receipt = Receipt();
}

// If it still has its receipt, something was thrown, and it may be neither stored nor refused. So it is its sender's.
void OfflineSpool::End(Message& message) {
  message.held.receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  message.held.envelope.reset();
  if (message.state != Message::State::kStored) message.state = Message::State::kOver;
  room_->Free();
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
  const auto last = std::find_if(messages.rbegin(), messages.rend(), [](const Message& message) {
    return message.state == Message::State::kAsked && message.held.envelope;
  });
  return last != messages.rend() && NameOf(*last->held.envelope) == Name{ask.origin(), ask.origin_seq()};
}

void OfflineSpool::OnAnswered(const std::string& owner) {
  const auto round = rounds_.at(owner);
  if (--round->unanswered == 0) GoOn(owner, round);
}

void OfflineSpool::GoOn(const std::string& owner, const RoundPtr& round) {
  if (HasMore(*round)) {
    tasks_.Spawn("store_offline", Pause(owner, round), [this, owner, round] { AskAgain(owner, round); });
    return;
  }
  rounds_.erase(owner);
  if (round->waiting) loop_.Post([waiting = std::move(round->waiting)] { waiting(true); });
}

// What failed is asked for again, but not for ever, and not what would come behind a later one.
bool OfflineSpool::HasMore(Round& round) {
  auto& messages = round.messages;
  const auto now = Clock::now();
  const bool soon = outage_.may_pass(now) && now < round.begun + patience_;
  const auto last_stored = std::find_if(messages.rbegin(), messages.rend(), [](const Message& message) {
    return message.state == Message::State::kStored;
  });
  bool more = false;
  for (auto message = messages.begin(); message != messages.end(); ++message) {
    if (message->state != Message::State::kFailed) continue;
    const bool again = soon && message >= last_stored.base() && !message->held.receipt.severed();
    if (!again) GiveUp(*message);
    more = more || again;
  }
  return more;
}

Task<void> OfflineSpool::Pause(std::string owner, RoundPtr round) {
  // All of the round waits for it.
  if (round->waiting) co_await accounts_.LetIn(owner);
  co_await SleepFor(kRetry);
}

void OfflineSpool::AskAgain(const std::string& owner, const RoundPtr& round) {
  std::vector<Message*> again;
  for (auto& message : round->messages) {
    const bool wanted = message.state == Message::State::kFailed && !message.held.receipt.severed();
    if (wanted) again.push_back(&message);
  }
  if (again.empty()) return GoOn(owner, round);
  round->unanswered = again.size();
  for (Message* message : again) Store(owner, *message);
}

void OfflineSpool::GiveUp(Message& message) {
  if (!message.held.receipt.severed()) {
    sender_.metrics().limits_store.Increment();
    Settle(std::exchange(message.held, Held()), roster::v1::PROBLEM_STORE);
  }
  End(message);
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

Task<bool> OfflineSpool::MayPass(std::string owner, Clock::time_point since) {
  const auto now = Clock::now();
  outage_.OnFailure(now);
  if (!outage_.may_pass(now) || now >= since + patience_) co_return false;
  co_await accounts_.LetIn(std::move(owner));
  co_await SleepFor(kRetry);
  co_return true;
}

Task<void> OfflineSpool::Stored(std::string owner) {
  const auto found = rounds_.find(owner);
  if (found == rounds_.end()) co_return;
  const auto round = found->second;
  std::function<void(Resume)> start = [round](Resume resume) { round->waiting = std::move(resume); };
  co_await Await<bool>(std::move(start));
}

}  // namespace parley::router
