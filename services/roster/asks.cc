#include "services/roster/asks.h"

#include <utility>

#include "libs/base/log.h"

namespace parley::roster {
namespace {

using Done = std::function<void(v1::Answer)>;

v1::Answer Refused(v1::Problem problem) {
  v1::Answer answer;
  answer.set_problem(problem);
  return answer;
}

// A store's outcome as the field of the answer that it belongs in.
template <class T>
std::function<void(Result<T, v1::Problem>)> Into(T* (v1::Answer::*field)(), Done done) {
  return [field, done = std::move(done)](Result<T, v1::Problem> outcome) {
    if (!outcome) return done(Refused(outcome.error()));
    v1::Answer answer;
    *(answer.*field)() = std::move(*outcome);
    done(std::move(answer));
  };
}

constexpr std::size_t kMaxJidBytes = 3071;  // RFC 7622 3.1

// PostgreSQL's text has no NUL; nothing that was prepared or parsed as XML has one.
bool IsText(const std::string& text) { return text.find('\0') == std::string::npos; }
bool IsAddress(const std::string& jid) { return !jid.empty() && jid.size() <= kMaxJidBytes && IsText(jid); }

bool WellFormed(const v1::SetItem& ask) {
  const auto& item = ask.item();
  if (!IsAddress(item.jid()) || !IsText(item.name()) || !IsText(ask.origin())) return false;
  for (const auto& group : item.groups()) {
    if (!IsText(group)) return false;
  }
  return true;
}

bool WellFormed(const v1::Ask& ask) {
  switch (ask.ask_case()) {
    case v1::Ask::kGetRoster:
      return IsAddress(ask.get_roster().owner()) && IsText(ask.get_roster().known_version());
    case v1::Ask::kSetItem:
      return IsAddress(ask.set_item().owner()) && WellFormed(ask.set_item());
    case v1::Ask::kRemoveItem:
      return IsAddress(ask.remove_item().owner()) && IsAddress(ask.remove_item().jid()) &&
             IsText(ask.remove_item().origin());
    case v1::Ask::kApplySubscription:
      return IsAddress(ask.apply_subscription().owner()) && IsAddress(ask.apply_subscription().contact()) &&
             IsText(ask.apply_subscription().origin());
    case v1::Ask::kStoreOffline:
      return IsAddress(ask.store_offline().owner()) && IsText(ask.store_offline().origin());
    case v1::Ask::kFetchOffline:
      return IsAddress(ask.fetch_offline().owner());
    case v1::Ask::kDeleteOffline:
      return IsAddress(ask.delete_offline().owner());
    case v1::Ask::kAccountInfo:
      return IsAddress(ask.account_info().owner());
    case v1::Ask::kPendingSubscriptions:
      return IsAddress(ask.pending_subscriptions().owner());
    case v1::Ask::ASK_NOT_SET:
      return false;
  }
  return false;
}

std::string_view NameOf(const v1::Ask& ask) {
  const auto* field = v1::Ask::descriptor()->FindFieldByNumber(ask.ask_case());
  return field == nullptr ? std::string_view("unknown") : std::string_view(field->name());
}

}  // namespace

Asks::Asks(RosterStore& rosters, OfflineStore& offline, OfflineWriter& writer, telemetry::Metrics& metrics,
           const tracing::Tracer& tracer)
    : rosters_(rosters),
      offline_(offline),
      writer_(writer),
      metrics_(metrics, "parley_roster_asks", "ask", "Questions of routers"),
      tracer_(tracer) {}

void Asks::Answer(const v1::Ask& ask, Done done) {
  metrics_.Started();
  if (!ask.trace().empty()) [[unlikely]]
    done = Trace(ask, std::move(done));
  auto counted = [this, name = NameOf(ask), started = CallMetrics::Clock::now(),
                  done = std::move(done)](v1::Answer answer) {
    metrics_.Finished(name, v1::Problem_Name(answer.problem()), started);
    done(std::move(answer));
  };
  if (log::Enabled(log::Level::kDebug)) [[unlikely]]
    log::Debug("asked", {{"session", ask.session()}, {"ask", NameOf(ask)}, tracing::TraceId(ask.trace())});
  if (!WellFormed(ask)) return counted(Refused(v1::PROBLEM_INVALID));
  Dispatch(ask, std::move(counted));
}

Done Asks::Trace(const v1::Ask& ask, Done done) const {
  const std::shared_ptr<tracing::Span> span = tracer_.Continue(ask.trace(), std::string(NameOf(ask)));
  if (!span) return done;
  return [span, done = std::move(done)](v1::Answer answer) {
    if (answer.problem() != v1::PROBLEM_UNSPECIFIED) span->Fail(v1::Problem_Name(answer.problem()));
    done(std::move(answer));
  };
}

void Asks::Dispatch(const v1::Ask& ask, Done done) {
  using A = v1::Answer;
  switch (ask.ask_case()) {
    case v1::Ask::kGetRoster:
      return rosters_.Get(ask.get_roster(), Into(&A::mutable_roster, std::move(done)));
    case v1::Ask::kSetItem:
      return rosters_.Set(ask.set_item(), Into(&A::mutable_item_change, std::move(done)));
    case v1::Ask::kRemoveItem:
      return rosters_.Remove(ask.remove_item(), Into(&A::mutable_item_change, std::move(done)));
    case v1::Ask::kApplySubscription:
      return rosters_.Apply(ask.apply_subscription(), Into(&A::mutable_subscription_change, std::move(done)));
    case v1::Ask::kStoreOffline:
      return writer_.Store(ask.store_offline(), Into(&A::mutable_stored, std::move(done)));
    case v1::Ask::kFetchOffline:
      return offline_.Fetch(ask.fetch_offline(), Into(&A::mutable_offline_messages, std::move(done)));
    case v1::Ask::kDeleteOffline:
      return offline_.Delete(ask.delete_offline(), Into(&A::mutable_deleted, std::move(done)));
    case v1::Ask::kAccountInfo:
      return rosters_.Account(ask.account_info(), Into(&A::mutable_account, std::move(done)));
    case v1::Ask::kPendingSubscriptions:
      return rosters_.Pending(ask.pending_subscriptions(), Into(&A::mutable_pending, std::move(done)));
    case v1::Ask::ASK_NOT_SET:
      return done(Refused(v1::PROBLEM_INVALID));
  }
}

// Nobody sends stanzas here; whoever does keeps them.
void Asks::OnEnvelope(rpc::Link& link, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  log::Warn("unexpected_stanza", {{"peer", link.peer().instance}, tracing::TraceId(envelope->trace())});
  receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
}

void Asks::OnRequest(rpc::Link&, const std::string& body, Respond respond) {
  v1::Ask ask;
  if (!ask.ParseFromString(body)) return respond(Error("not a parley.roster.v1.Ask"));
  Answer(ask, [respond = std::move(respond)](v1::Answer answer) { respond(answer.SerializeAsString()); });
}

}  // namespace parley::roster
