#include "services/c2s/session/unanswered.h"

#include <memory>
#include <string>
#include <utility>

#include "libs/base/unix_time.h"
#include "libs/session/asked.h"
#include "libs/xmpp/errors.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/session/session.h"

namespace parley::c2s {

std::string Unanswered::key() const { return session::AskedKey(session_.jid().bare(), session_.id()); }

void Unanswered::Note(const xmpp::Envelope& envelope, rpc::Receipt receipt) {
  if (!IsRequestOfOthers(envelope)) return;
  Requests::Request request{envelope.id(), envelope.from()};
  if (!session_.management()) {
    request.number = ++last_;
    request.mark = session::MarkOf(envelope);
    session::v1::Asked asked;
    asked.set_id(envelope.id());
    asked.set_from(envelope.from());
    asked.set_origin(envelope.origin());
    asked.set_origin_seq(envelope.origin_seq());
    auto noted = [receipt = std::move(receipt)]() mutable { receipt = rpc::Receipt(); };
    session::NoteAsked(context_.redis, key(), request.number, asked, std::move(noted));
  }
  const auto forgotten = requests_.Note(std::move(request), context_.config.c2s.max_unanswered_bytes);
  if (!forgotten.empty()) context_.metrics.limits.Add("unanswered");
  for (const auto& each : forgotten) Forget(each);
}

// Before the answer goes on, Redis knows of it: else who answers for us, should we die, answers once more.
void Unanswered::NoteAnswer(const xmpp::Envelope& envelope) {
  const auto* answered = requests_.Answer(envelope);
  if (!answered) return;
  const std::uint64_t number = envelope.origin_seq();
  session_.uplink().HoldFrom(number);
  auto noted = [number](Session& session) { session.uplink().Release(number); };
  if (session_.management()) {
    auto& outbound = session_.management()->outbound();
    outbound.MarkReplied(envelope.id(), envelope.to());
    outbound.queue().StoreHandled(StoredQueue::Close::kOpen,
                                  [noted = WhileAlive(session_.shared_from_this(), noted)](bool) { noted(); });
  } else {
    session::NoteAnswer(context_.redis, key(), answered->number, number,
                        WhileAlive(session_.shared_from_this(), noted));
  }
}

void Unanswered::OnSettled(std::uint64_t number) {
  if (const auto answered = requests_.Settle(number)) Forget(*answered);
}

void Unanswered::Forget(const Requests::Request& request) {
  if (request.number == 0 || session_.management()) return;
  session::ForgetAsked(context_.redis, key(), request.number);
}

void Unanswered::OnManaged() {
  if (last_ == 0) return;
  auto& outbound = session_.management()->outbound();
  const std::int64_t now = UnixMilliseconds();
  for (const auto& mark : requests_.Marks()) outbound.remembered().NoteRequest(mark, now);
  outbound.queue().UpdateHeader();
  session::ForgetAllAsked(context_.redis, key());
}

void Unanswered::Adopt(const session::v1::QueueHeader& header) {
  const std::size_t most = context_.config.c2s.max_unanswered_bytes;
  for (const auto& asked : header.asked()) requests_.Note({asked.id(), asked.from()}, most);
  for (const auto& asked : header.answering()) {
    if (asked.answer() <= header.handled()) continue;
    session_.uplink().NoteUsed(asked.answer());
    requests_.Note({asked.id(), asked.from(), 0, asked.answer()}, most);
  }
}

// Those that the client has not acknowledged are in the queue itself.
void Unanswered::Fill(session::v1::QueueHeader& header) const {
  const auto& unacked = session_.management()->outbound().unacked();
  requests_.Fill(header, [&](const auto& request) { return !unacked.Holds(request.id, request.from); });
}

void Unanswered::Leave(const std::vector<Requests::Request>& requests) {
  for (const auto& request : requests) requests_.Note(request, context_.config.c2s.max_unanswered_bytes);
}

void Unanswered::TakeFromRedis(std::function<void(By)> taken) {
  context_.redis.Eval(session::TakeAskedScript(), {key()}, {},
                      [taken = std::move(taken)](const Result<storage::Reply>& reply) {
                        taken(reply && reply->items.empty() ? By::kRouter : By::kUs);
                      });
}

// Those that a client with stream management has not acknowledged are in its queue: the router answers.
void Unanswered::Answer(const std::vector<Requests::Request>& requests) {
  auto* management = session_.management();
  for (const auto& request : requests) {
    if (management && management->outbound().unacked().Holds(request.id, request.from)) continue;
    xmpp::Envelope answer = AnswerFor(session_.jid().str(), request, xmpp::ServiceUnavailable());
    answer.set_origin(session_.id());
    answer.set_origin_seq(session_.uplink().NumberOfOurOwn());
    session_.uplink().Send(std::make_unique<xmpp::Envelope>(std::move(answer)));
  }
}

}  // namespace parley::c2s
