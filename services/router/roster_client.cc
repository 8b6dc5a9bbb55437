#include "services/router/roster_client.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/rpc/asks.h"
#include "libs/rpc/trace.h"
#include "libs/tracing/tracer.h"

namespace parley::router {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
constexpr milliseconds kRetry{100};
constexpr milliseconds kAway{1000};  // until it is asked again

roster::v1::Answer Unanswered() {
  roster::v1::Answer answer;
  answer.set_problem(roster::v1::PROBLEM_STORE);
  return answer;
}

// The store's, not the change's: it may be another one the next time.
bool IsOfStore(roster::v1::Problem problem) {
  return problem == roster::v1::PROBLEM_STORE || problem == roster::v1::PROBLEM_IN_DOUBT ||
         problem == roster::v1::PROBLEM_OVERLOADED;
}

// Others may be asked again, or not, without harm.
bool IsChange(const roster::v1::Ask& ask) {
  return ask.has_apply_subscription() || ask.has_set_item() || ask.has_remove_item() || ask.has_store_offline();
}

// The ask went, and nothing came back.
bool IsUnanswered(const Error& error) {
  return error.message() == rpc::kLinkBroken || error.message() == rpc::kNoReply;
}

bool MayBeDone(const roster::v1::Ask& ask, const Result<roster::v1::Answer>& answer) {
  if (answer) return answer->problem() == roster::v1::PROBLEM_IN_DOUBT;
  return IsChange(ask) && IsUnanswered(answer.error());
}

// It was refused, or the answer cannot be understood; so it will be the next time.
bool IsFinal(const Error& error) {
  return !IsUnanswered(error) && error.message() != rpc::kNoReplica && error.message() != rpc::kTooManyAsks;
}

}  // namespace

void Concern(const rpc::Envelope& stanza, roster::v1::Ask& ask) {
  rpc::PassTrace(stanza, ask);
  if (!stanza.origin().empty()) ask.set_session(stanza.origin());
}

RosterClient::RosterClient(Loop& loop, const rpc::Self& self, rpc::Ring::Options ring, const Options& options,
                           Metrics& metrics)
    : options_(options), metrics_(metrics), ring_(loop, self, std::move(ring), *this) {}

Task<roster::v1::Answer> RosterClient::Ask(std::string owner, roster::v1::Ask ask, Change change,
                                           std::function<bool()> abandoned) {
  auto answer = co_await TryAsk(std::move(owner), std::move(ask), change, std::move(abandoned));
  if (answer) co_return std::move(*answer);
  co_return Unanswered();
}

Task<Result<roster::v1::Answer>> RosterClient::TryAsk(std::string owner, roster::v1::Ask ask, Change change,
                                                      std::function<bool()> abandoned) {
  const auto start = Clock::now();
  bool insist = change == Change::kFollows;
  // Another instance takes over when one dies: asks can be repeated.
  while (true) {
    const auto patience = insist ? options_.roster_doubt_timeout : options_.roster_timeout;
    const auto left = std::chrono::duration_cast<milliseconds>(start + patience - Clock::now());
    if (left <= milliseconds(0)) break;
    auto answer = co_await AskOnce(owner, ask, std::min(left, options_.roster_timeout));
    insist = insist || MayBeDone(ask, answer);
    if (answer && !(insist && IsOfStore(answer->problem()))) co_return std::move(*answer);
    if (!answer && IsFinal(answer.error())) {
      Forget(&owner);  // whatever was asked for before that may be done, and what is cached of its roster wrong
      co_return answer.error();
    }
    if (abandoned && abandoned()) co_return Error("nobody waits for it any more");
    if (insist && on_doubt_) co_await on_doubt_(owner, ask);
    co_await SleepFor(kRetry);
  }
  if (insist) GiveUpDoubt(owner);
  co_return Error(rpc::kNoReply);
}

// What is cached of its roster may be wrong.
void RosterClient::GiveUpDoubt(const std::string& owner) {
  metrics_.limits_roster_doubt.Increment();
  Forget(&owner);
}

Task<Result<roster::v1::Answer>> RosterClient::AskOnce(std::string owner, const roster::v1::Ask& ask,
                                                       milliseconds timeout) {
  const auto start = Clock::now();
  std::function<void(rpc::Link::Done)> send = [&](rpc::Link::Done done) {
    ring_.Ask(owner, ask.SerializeAsString(), timeout, std::move(done));
  };
  const auto body = co_await Await<Result<std::string>>(send);
  metrics_.roster_seconds.Observe(std::chrono::duration<double>(Clock::now() - start).count());
  roster::v1::Answer answer;
  if (body && answer.ParseFromString(*body)) co_return answer;
  metrics_.roster_failures.Increment();
  Error failure = body ? Error("not an answer") : body.error();
  log::Warn("roster_ask_failed",
            {{"session", ask.session()}, {"reason", failure.message()}, tracing::TraceId(ask.trace())});
  co_return failure;
}

Task<void> RosterClient::MayBeBack() {
  do {
    co_await SleepFor(kAway);
  } while (!available());
}

Task<Result<RosterClient::ContactsPtr, roster::v1::Problem>> RosterClient::Get(std::string owner) {
  if (auto cached = Cached(owner)) co_return cached;
  roster::v1::Ask ask;
  ask.mutable_get_roster()->set_owner(owner);
  metrics_.roster_loads.Increment();
  const auto answer = co_await Ask(owner, std::move(ask));
  const bool none = answer.problem() == roster::v1::PROBLEM_NO_ACCOUNT;
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED && !none) co_return answer.problem();
  Remember(owner, answer.roster());
  co_return Cached(owner);
}

RosterClient::ContactsPtr RosterClient::Cached(const std::string& owner) {
  const auto found = cache_.find(owner);
  if (found == cache_.end()) return nullptr;
  lru_.splice(lru_.begin(), lru_, found->second);
  return found->second->contacts;
}

void RosterClient::Remember(const std::string& owner, const roster::v1::Roster& roster) {
  Store(owner, std::make_shared<Contacts>(roster));
}

void RosterClient::Store(const std::string& owner, std::shared_ptr<Contacts> contacts) {
  Forget(&owner);
  lru_.push_front(Entry{owner, std::move(contacts)});
  cache_.emplace(lru_.front().owner, lru_.begin());
  if (cache_.size() > options_.max_rosters && cache_.size() > 1) {
    cache_.erase(lru_.back().owner);
    lru_.pop_back();
  }
  metrics_.rosters.Set(static_cast<double>(cache_.size()));
}

void RosterClient::Apply(const std::string& owner, const roster::v1::Item& item, bool removed) {
  const auto found = cache_.find(owner);
  if (found == cache_.end()) return;
  // Somebody may be in the middle of a walk over the old one.
  auto next = std::make_shared<Contacts>(*found->second->contacts);
  next->Apply(item, removed);
  found->second->contacts = std::move(next);
}

void RosterClient::Forget(const std::string* owner) {
  if (owner == nullptr) {
    cache_.clear();
    lru_.clear();
  } else if (const auto found = cache_.find(*owner); found != cache_.end()) {
    const auto place = found->second;
    cache_.erase(found);
    lru_.erase(place);
  }
  metrics_.rosters.Set(static_cast<double>(cache_.size()));
}

void RosterClient::OnRequest(rpc::Link&, const std::string&, rpc::LinkHandler::Respond respond) {
  respond(Error("routers answer nothing to rosters"));
}

void RosterClient::OnAvailability(bool available) {
  if (available) {
    log::Info("roster_service_available");
  } else {
    log::Warn("roster_service_unavailable");
  }
}

}  // namespace parley::router
