#include "libs/base/ids.h"
#include "libs/base/unix_time.h"
#include "libs/session/acknowledged.h"
#include "libs/xmpp/request.h"
#include "services/router/testing/edge.h"

namespace parley::router::testing {

void Edge::Enable(Client& client, std::uint64_t resume_ms) {
  session::v1::Ask ask;
  auto& enable = *ask.mutable_enable();
  enable.set_account(client.account_);
  enable.set_session(client.id_);
  enable.set_queue(RandomId());
  enable.mutable_header()->set_handled(client.sent_);
  enable.mutable_header()->set_base(client.sent_);
  enable.set_resume_ms(resume_ms);
  client.answered_ = false;
  const auto done = [&client, queue = enable.queue()](const Result<std::string>& body) {
    session::v1::Answer answer;
    if (body) answer.ParseFromString(*body);
    if (answer.enabled().ok()) client.queue_ = queue;
    client.answered_ = true;
  };
  ring_->Ask(client.account_, ask.SerializeAsString(), std::chrono::seconds(10), done);
}

void Edge::Queue(Client& client, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  const std::string element = session::Encode(*envelope, now_, client.sent_);
  const auto done = [this, &client, stanza = envelope->stanza(), mark = MarkToAcknowledge(*envelope),
                     receipt = std::move(receipt)](const Result<std::uint64_t>& length) mutable {
    if (!length || *length == 0) return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
    client.received_.push_back(stanza);
    client.unacked_.push_back(mark);
    if (holding_) receipts_.push_back(std::move(receipt));
    receipt = rpc::Receipt();
  };
  session::Append(redis_, session::QueueKey(client.account_, client.queue_), {{element}}, done);
}

session::Mark Edge::MarkToAcknowledge(const rpc::Envelope& envelope) {
  session::Mark mark = session::MarkOf(envelope);
  if (envelope.kind() != link::v1::KIND_MESSAGE && !xmpp::IsRequest(envelope.type())) return {};
  if (envelope.copied() && mark.origin != 0) mark.origin = session::OriginOfCopies(mark.origin);
  return mark;
}

void Edge::NoteAcknowledged(Client& client, std::uint64_t count) {
  for (; count > 0; --count) {
    const session::Mark mark = client.unacked_.front();
    client.unacked_.pop_front();
    if (mark.origin == 0) continue;
    auto& seen = client.seen_[mark.origin];
    seen.set_origin(mark.origin);
    seen.set_seq(std::max(seen.seq(), mark.seq));
    seen.set_at(UnixMilliseconds());
    session::NoteAcknowledged(seen, mark.seq, 4);
  }
}

session::v1::QueueHeader Edge::NextHeader(Client& client, std::uint64_t count,
                                          const std::vector<std::uint64_t>& replied,
                                          const std::vector<std::string>& asked) {
  session::v1::QueueHeader header;
  client.acked_ += count;
  header.set_acked(client.acked_);
  NoteAcknowledged(client, count);
  for (const auto& [origin, seen] : client.seen_) *header.add_seen() = seen;
  header.set_handled(client.sent_);
  header.mutable_replied()->Assign(replied.begin(), replied.end());
  for (const auto& id : asked) {
    auto& request = *header.add_asked();
    request.set_id(id);
    request.set_from("juliet@home.example/balcony");
  }
  return header;
}

void Edge::Acknowledge(Client& client, std::uint64_t count, const std::vector<std::uint64_t>& replied,
                       const std::vector<std::string>& asked) {
  const auto header = NextHeader(client, count, replied, asked);
  session::Trim(redis_, session::QueueKey(client.account_, client.queue_), count, header, [](const Result<Ok>&) {});
}

void Edge::CloseUnnoted(Client& client, std::uint64_t count, std::uint64_t sure,
                        const std::vector<std::uint64_t>& replied, const std::vector<std::string>& asked) {
  auto header = NextHeader(client, count, replied, asked);
  header.set_acked(header.acked() - count + sure);
  client.Close("closed", header.SerializeAsString());
}

void Edge::SetAnswering(const Client& client, const std::string& id, std::uint64_t answer) {
  session::v1::QueueHeader header;
  header.set_acked(client.acked_);
  header.set_handled(answer - 1);
  auto& answering = *header.add_answering();
  answering.set_id(id);
  answering.set_from("juliet@home.example/balcony");
  answering.set_answer(answer);
  session::SetHeader(redis_, session::QueueKey(client.account_, client.queue_), header, [](const Result<Ok>&) {});
}

void Edge::SayUnlogged(const Client& client, std::uint64_t after) {
  auto envelope = rpc::NewEnvelope();
  envelope->set_kind(link::v1::KIND_CONTROL);
  envelope->set_from(client.jid_);
  envelope->set_session(client.id_);
  envelope->mutable_unlogged()->set_queue(client.queue_);
  envelope->mutable_unlogged()->set_after(after);
  Send(std::move(envelope));
}

void Edge::HandOver(const std::string& session, rpc::Receipt receipt) {
  if (keeping_) return receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  auto* table = clients_.contains(session) ? &clients_ : &resuming_;
  const auto found = table->find(session);
  // One that was not answered yet is not meant: it is who asks.
  if (found == table->end() || found->second->jid_.empty()) return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  Client& client = *found->second;
  client.handed_over_ = true;
  client.disconnected_ = "conflict";
  for (auto& held : std::exchange(client.early_, {})) held.receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  gone_.push_back(std::move(found->second));
  table->erase(found);
  // Behind all that was appended.
  redis_.Command({"PING"}, [receipt](const Result<storage::Reply>&) {});
}

Client& Edge::Resume(const Client& session, const std::string& queue) {
  session::v1::Ask ask;
  auto& resume = *ask.mutable_resume();
  resume.set_account(session.account_);
  resume.set_session(session.id_);
  resume.set_queue(queue.empty() ? RandomId() : queue);
  resume.set_node(instance_);
  resume.set_node_epoch(lease_.epoch());
  auto& place = resuming_[session.id_];
  if (place) gone_.push_back(std::move(place));
  place = std::make_unique<Client>(*this, session.account_, session.id_);
  Client& client = *place;
  client.sent_ = session.sent_;
  client.queue_ = resume.queue();
  const auto done = [this, &client](const Result<std::string>& body) {
    session::v1::Answer answer;
    if (body) answer.ParseFromString(*body);
    OnResumed(client, answer.resumed());
  };
  ring_->Ask(session.account_, ask.SerializeAsString(), std::chrono::seconds(20), done);
  return client;
}

void Edge::OnResumed(Client& client, session::v1::Resumed resumed) {
  client.resumed_ = std::move(resumed);
  client.jid_ = client.resumed_.jid();
  if (client.jid_.empty()) {
    client.answered_ = true;
    for (auto& held : client.early_) held.receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
    client.early_.clear();
    const auto place = resuming_.find(client.id_);
    if (place == resuming_.end() || place->second.get() != &client) return;
    gone_.push_back(std::move(place->second));
    resuming_.erase(place);
    return;
  }
  session::Load(redis_, session::QueueKey(client.account_, client.queue_),
                [this, &client](const Result<session::QueueContents>& contents) { OnQueue(client, contents); });
}

void Edge::OnQueue(Client& client, const Result<session::QueueContents>& contents) {
  client.answered_ = true;
  const auto place = resuming_.find(client.id_);
  if (place == resuming_.end() || place->second.get() != &client) return;
  if (contents) client.acked_ = contents->header.acked();
  for (const auto& queued : contents ? contents->stanzas : std::vector<session::v1::Queued>()) {
    client.received_.push_back(queued.envelope().stanza());
    client.unacked_.push_back(MarkToAcknowledge(queued.envelope()));
    const session::Mark mark = session::MarkOf(queued.envelope());
    auto& highest = seen_[{mark.origin, client.id_}];
    highest = std::max(highest, mark.seq);
    Exactly(mark, client.id_) = mark.seq;
  }
  std::erase(lost_, client.id_);
  auto& here = clients_[client.id_];
  if (here) gone_.push_back(std::move(here));
  here = std::move(place->second);
  resuming_.erase(place);
  for (auto& held : std::exchange(client.early_, {})) Take(client, std::move(held.envelope), std::move(held.receipt));
}

void Edge::Kick(const Client& client) {
  session::v1::Ask ask;
  ask.mutable_kick()->set_account(client.account_);
  ask.mutable_kick()->set_condition("policy-violation");
  ring_->Ask(client.account_, ask.SerializeAsString(), std::chrono::seconds(10), [](const Result<std::string>&) {});
}

void Edge::TakeOneFrozen() {
  rpc::Held oldest = std::move(frozen_deliveries_.front());
  frozen_deliveries_.erase(frozen_deliveries_.begin());
  frozen_ = false;
  OnDelivery(std::move(oldest.envelope), std::move(oldest.receipt));
  frozen_ = true;
}

void Edge::SetFrozen(bool frozen) {
  frozen_ = frozen;
  if (frozen) return;
  for (auto& held : std::exchange(frozen_deliveries_, {})) {
    OnDelivery(std::move(held.envelope), std::move(held.receipt));
  }
}

}  // namespace parley::router::testing
