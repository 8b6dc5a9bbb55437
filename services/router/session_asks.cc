#include "services/router/session_asks.h"

#include <algorithm>

#include "libs/base/ids.h"

namespace parley::router {
namespace {

void RespondWith(const SessionAsks::Respond& respond, const session::v1::Answer& answer) {
  respond(answer.SerializeAsString());
}

void RespondBound(const SessionAsks::Respond& respond, session::v1::Bound bound) {
  session::v1::Answer answer;
  *answer.mutable_bound() = std::move(bound);
  RespondWith(respond, answer);
}

session::v1::Bound NoRedis() {
  session::v1::Bound bound;
  bound.set_condition("resource-constraint");
  bound.set_text("Sessions cannot be bound at the moment; try later");
  return bound;
}

}  // namespace

void SessionAsks::Answer(const std::string& body, Respond answer) {
  session::v1::Ask ask;
  if (!ask.ParseFromString(body)) return answer(Error("the request does not parse"));
  // Some links are still there for a moment when it is abandoned; a refusal would be taken for the last word.
  const Respond respond = [abandoned = UntilAbandoned(), answer = std::move(answer)](Result<std::string> result) {
    if (!abandoned()) answer(std::move(result));
  };
  const auto unreachable = [respond] { respond(Error("the account's sessions cannot be read")); };
  switch (ask.ask_case()) {
    case session::v1::Ask::kBind: {
      const Patience patience{Clock::now() + options_.bind_timeout, options_.bind_retry_min};
      auto& bind = *ask.mutable_bind();
      if (bind.resource().empty()) bind.set_resource(RandomId());
      const auto load = [this, bind] { return parts_.sessions.LoadOrBind(bind); };
      return PostBind(bind, patience, respond, load);
    }
    case session::v1::Ask::kRestore: {
      auto run = [this, record = ask.restore().record(), respond](Account& a) { return Restore(a, record, respond); };
      return Post(ask.restore().account(), run, unreachable);
    }
    case session::v1::Ask::kKick: {
      auto run = [this, kick = ask.kick(), respond](Account& a) { return Kick(a, kick, respond); };
      return Post(ask.kick().account(), run, unreachable);
    }
    case session::v1::Ask::kEnable:
      return PostEnable(ask.enable(), respond);
    case session::v1::Ask::kResume: {
      const auto refuse = [this, ask = ask.resume(), respond] { parts_.resumption.Refuse(ask, respond); };
      auto run = [this, ask = ask.resume(), respond](Account& a) { return parts_.resumption.Resume(a, ask, respond); };
      return Post(ask.resume().account(), run, refuse);
    }
    case session::v1::Ask::kRedis:
      return parts_.redis.Answer(respond);
    case session::v1::Ask::ASK_NOT_SET:
      return respond(Error("an unknown request"));
  }
}

void SessionAsks::Post(const std::string& account, std::function<Task<void>(Account&)> run,
                       std::function<void()> failed) {
  AccountTable::Job job;
  job.run = std::move(run);
  job.failed = std::move(failed);
  Post(account, std::move(job));
}

void SessionAsks::Post(const std::string& account, AccountTable::Job job) {
  job.abandoned = UntilAbandoned();
  // Whether we can do it at all is known then.
  job.wait = [this] { return parts_.redis.Decide(); };
  parts_.accounts.Post(account, std::move(job));
}

// It overtakes nothing that another session of this resource has to do with.
void SessionAsks::PostBind(session::v1::Bind ask, Patience patience, Respond respond, Load load) {
  AccountTable::Job job;
  job.failed = [respond] { RespondBound(respond, NoRedis()); };
  job.load = std::move(load);
  job.may_overtake = [ask](Account& account) {
    const Session* other = account.WithResource(ask.resource());
    return other == nullptr || other->id() == ask.session();
  };
  job.run = [this, ask, patience, respond](Account& a) { return Bind(a, ask, patience, respond); };
  Post(ask.account(), std::move(job));
}

void SessionAsks::PostEnable(session::v1::Enable ask, Respond respond) {
  AccountTable::Job job;
  job.failed = [respond] { respond(Error("the account's sessions cannot be read")); };
  job.may_overtake = [id = ask.session()](Account& account) { return account.WithId(id) != nullptr; };
  job.run = [this, ask, respond](Account& a) { return parts_.resumption.Enable(a, ask, respond); };
  Post(ask.account(), std::move(job));
}

std::function<bool()> SessionAsks::UntilAbandoned() const {
  return [this, before = abandoned_] { return abandoned_ != before; };
}

Task<void> SessionAsks::Bind(Account& account, session::v1::Bind ask, Patience patience, Respond respond) {
  auto bound = co_await parts_.sessions.Bind(account, ask);
  if (bound.jid().empty() && bound.condition().empty()) {
    if (Clock::now() < patience.deadline) {
      parts_.metrics.bind_retries.Increment();
      parts_.tasks.Spawn("bind_again", BindAgain(std::move(ask), patience, std::move(respond)));
      co_return;
    }
    parts_.metrics.limits_bind.Increment();
    bound = NoRedis();
  }
  RespondBound(respond, std::move(bound));
}

// Out of the account's turn, so that its other sessions do not wait; and not all who wait for one edge's end at once.
Task<void> SessionAsks::BindAgain(session::v1::Bind ask, Patience patience, Respond respond) {
  std::uniform_int_distribution<std::int64_t> jitter(patience.delay.count() / 2, patience.delay.count());
  const std::chrono::milliseconds delay(jitter(random_));
  const auto abandoned = UntilAbandoned();
  co_await SleepFor(delay);
  if (abandoned()) co_return;
  patience.delay = std::min(patience.delay * 2, options_.bind_retry_max);
  PostBind(std::move(ask), patience, std::move(respond), nullptr);
}

Task<void> SessionAsks::Restore(Account& account, session::v1::Record record, Respond respond) {
  const std::string id = record.session();
  const auto restored = co_await parts_.sessions.Restore(account, std::move(record));
  if (restored == Sessions::Restored::kFailed) {
    respond(Error("the session cannot be written"));
    co_return;
  }
  session::v1::Answer answer;
  answer.mutable_restored()->set_ok(restored != Sessions::Restored::kRefused);
  RespondWith(respond, answer);
  const bool noticed = restored == Sessions::Restored::kReappeared;
  const auto absence = noticed ? Presence::Absence::kNoticed : Presence::Absence::kUnnoticed;
  co_await parts_.presence.Resume(account, id, absence);
}

Task<void> SessionAsks::Kick(Account& account, session::v1::Kick ask, Respond respond) {
  std::vector<std::string> ids;
  for (const auto& session : account.sessions()) {
    if (ask.resource().empty() || session.record.resource() == ask.resource()) ids.push_back(session.id());
  }
  session::v1::Answer answer;
  answer.mutable_kicked()->set_sessions(static_cast<std::uint32_t>(ids.size()));
  for (auto& id : ids) co_await parts_.sessions.Kick(account, id, ask.condition(), ask.text());
  RespondWith(respond, answer);
}

}  // namespace parley::router
