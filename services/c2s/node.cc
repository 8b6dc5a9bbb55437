#include "services/c2s/node.h"

#include <utility>

#include "libs/base/log.h"
#include "parley/session/v1/session.pb.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session.h"
#include "services/c2s/session/session_table.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::milliseconds kRetryDelay{500};
constexpr int kBeatsInSilence = 4;

}  // namespace

Node::Node(Loop& loop, storage::Redis& redis, const Options& options, SessionTable& sessions, Routers& routers,
           Metrics& metrics)
    : loop_(loop),
      options_(options),
      sessions_(sessions),
      routers_(routers),
      metrics_(metrics),
      beating_(loop.Every(options.silence / kBeatsInSilence, [this] { Beat(); })),
      lease_(loop, redis, options.instance, options.process, options.lease,
             [this](const std::string& epoch) { OnLease(epoch); }) {}

void Node::Beat() {
  if (stopped()) Doubt("stopped");
  beat_ = std::chrono::steady_clock::now();
  if (held() && routers_.available() && waiting_.empty() && asking_ == 0) out_ = false;
  if (awaiting_redis_ && !without_redis()) {
    awaiting_redis_ = false;
    sessions_.OnRedisUp();
  }
}

void Node::OnRouters(bool available) {
  if (!available) Doubt("no router");
}

void Node::Doubt(std::string_view reason) {
  log::Info("sessions_in_doubt", {{"reason", reason}, {"sessions", sessions_.size()}});
  metrics_.doubts.Add(reason);
  out_ = true;
  ++generation_;
  for (const auto& each : sessions_.All()) {
    const auto session = each.lock();
    if (session && session->management()) session->management()->outbound().queue().Distrust();
  }
  PutBackAll();
}

void Node::OnLease(const std::string& epoch) {
  log::Info("lease_held", {{"epoch", epoch}, {"sessions", sessions_.size()}});
  if (!std::exchange(had_lease_, true)) return;
  ++generation_;
  retry_.Cancel();
  PutBackAll();
}

void Node::PutBackAll() {
  waiting_.clear();
  for (auto& session : sessions_.All()) waiting_.push_back(std::move(session));
  Pump();
}

void Node::Bound(const std::shared_ptr<Session>& session, const std::string& epoch) {
  const bool same = epoch == lease_.epoch() && session->generation() == generation_;
  if (!same) PutBack(session);
}

void Node::PutBack(const std::shared_ptr<Session>& session) {
  waiting_.push_back(session);
  Pump();
}

// Nothing is put back under a lease that has lapsed: routers would take it for a dead node's.
void Node::Pump() {
  if (!waiting_.empty() && !held()) return PumpLater();
  while (!retry_.armed() && asking_ < options_.max_restoring && !waiting_.empty()) {
    const auto session = waiting_.front().lock();
    waiting_.pop_front();
    // One that is being bound is looked at when it is (see Bound).
    const bool bound = session && session->state() != Session::State::kBinding;
    if (bound && session->state() != Session::State::kEnded) Restore(session);
  }
  metrics_.restoring.Set(static_cast<double>(waiting_.size() + asking_));
}

// Not at once: whatever is wrong needs a moment.
void Node::PumpLater() {
  metrics_.restoring.Set(static_cast<double>(waiting_.size() + asking_));
  if (!retry_.armed()) retry_ = loop_.After(kRetryDelay, [this] { Pump(); });
}

void Node::Restore(const std::shared_ptr<Session>& session) {
  ++asking_;
  session->departure().OnAsked();
  session::v1::Ask ask;
  ask.mutable_restore()->set_account(std::string(session->jid().bare()));
  *ask.mutable_restore()->mutable_record() = session->ToRecord();
  routers_.Ask(session->jid().bare(), ask.SerializeAsString(), options_.restore_timeout,
               [this, asked = std::weak_ptr(session), generation = generation_](const Result<std::string>& body) {
                 --asking_;
                 OnAnswer(asked, generation, body);
                 Pump();
               });
}

void Node::OnAnswer(const std::weak_ptr<Session>& asked, std::uint32_t generation, const Result<std::string>& body) {
  const auto session = asked.lock();
  if (!session) return;
  session->departure().OnAnswered();
  if (session->state() == Session::State::kEnded) return;
  session::v1::Answer answer;
  if (!body || !answer.ParseFromString(*body) || !answer.has_restored()) {
    waiting_.push_back(session);
    return PumpLater();
  }
  if (answer.restored().ok()) {
    if (generation != generation_) return;  // it waits to be asked for again
    metrics_.restores.Increment();
    return session->OnRestored();
  }
  if (session->management()) session->uplink().Drop();
  link::v1::Disconnect conflict;
  conflict.set_condition("conflict");
  conflict.set_text("another client took the resource while this node was cut off");
  session->Disconnect(conflict);
}

}  // namespace parley::c2s
