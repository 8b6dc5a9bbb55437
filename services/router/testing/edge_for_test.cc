#include <algorithm>
#include <utility>

#include "libs/base/ids.h"
#include "libs/rpc/testing.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "libs/xmpp/stanza.h"
#include "services/router/testing/edge.h"

namespace parley::router::testing {
namespace {

// Finds the one stanza after a stream header.
class OneChild final : public xml::Handler {
 public:
  explicit OneChild(std::string_view from) : from_(from) {}
  void OnStreamOpen(const xml::StartTag&) override {}
  void OnChild(const xml::Child& child) override {
    xmpp::StreamContext context;
    context.from = from_;
    parsed = xmpp::ParseStanza(child, context);
  }
  void OnStreamClose() override {}

  std::optional<xmpp::ParsedStanza> parsed;

 private:
  std::string_view from_;
};

rpc::Envelope Parse(std::string_view stanza, std::string_view from) {
  OneChild child(from);
  xml::Scanner scanner{xml::Limits()};
  std::size_t consumed = 0;
  std::string bytes = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
  bytes += stanza;
  scanner.Feed(bytes, child, consumed);
  if (!child.parsed) throw std::logic_error("not a stanza: " + std::string(stanza));
  return *child.parsed->envelope;
}

rpc::Ring::Options RingOf(const std::vector<std::string>& routers) {
  rpc::Ring::Options options;
  options.discovery.targets = routers;
  options.service = "router";
  options.link.reconnect_min = std::chrono::milliseconds(10);
  options.link.reconnect_max = std::chrono::milliseconds(50);
  options.link.idle_ack_delay = std::chrono::hours(1);
  return options;
}

storage::LeaseOptions LeaseOf(std::chrono::milliseconds ttl) {
  storage::LeaseOptions options;
  options.ttl = ttl;
  options.refresh = std::chrono::milliseconds(100);
  return options;
}

}  // namespace

void Client::Send(std::string_view stanza) {
  auto envelope = std::make_unique<rpc::Envelope>(Parse(stanza, jid_));
  envelope->set_origin(id_);
  envelope->set_origin_seq(++sent_);
  edge_.Send(std::move(envelope));
}

void Client::Close(const std::string& reason, const std::string& header) {
  auto envelope = std::make_unique<rpc::Envelope>();
  envelope->set_kind(link::v1::KIND_CONTROL);
  envelope->set_from(jid_.empty() ? account_ : jid_);
  envelope->set_session(id_);
  envelope->set_origin(id_);
  envelope->set_origin_seq(++sent_);
  envelope->mutable_session_ended()->set_reason(reason);
  envelope->mutable_session_ended()->set_node(edge_.instance());
  envelope->mutable_session_ended()->set_node_epoch(edge_.epoch());
  envelope->mutable_session_ended()->set_queue(queue_);
  envelope->mutable_session_ended()->set_header(header);
  edge_.Lose(*this);
  edge_.Send(std::move(envelope));
}

Edge::Edge(Loop& loop, const std::string& instance, const std::vector<std::string>& routers,
           const storage::RedisOptions& redis, std::chrono::milliseconds lease_ttl)
    : loop_(loop),
      instance_(instance),
      routers_(routers),
      redis_(loop, redis),
      process_(RandomId()),
      lease_(loop, redis_, instance, process_, LeaseOf(lease_ttl), [](const std::string&) {}) {
  Reconnect();
}

void Edge::Reconnect() {
  rpc::Ring::Owner& owner = *this;
  ring_ = std::make_unique<rpc::Ring>(loop_, rpc::Self{"c2s", instance_, process_}, RingOf(routers_), owner);
}

void Edge::Reconnect(std::vector<std::string> routers) {
  routers_ = std::move(routers);
  Reconnect();
}

Edge::~Edge() {
  for (auto& receipt : receipts_) receipt.Abandon();
  for (auto& held : frozen_deliveries_) held.receipt.Abandon();
}

bool Edge::ready() const { return !lease_.epoch().empty() && ring_ && ring_->available(); }

Client& Edge::Bind(const std::string& account, const std::string& resource, session::v1::Conflict conflict,
                   bool anonymous) {
  const std::string id = RandomId();
  auto& client = *clients_.emplace(id, std::make_unique<Client>(*this, account, id)).first->second;
  session::v1::Ask ask;
  auto& bind = *ask.mutable_bind();
  bind.set_account(account);
  bind.set_resource(resource);
  bind.set_session(id);
  bind.set_node(instance_);
  bind.set_node_epoch(lease_.epoch());
  bind.set_conflict(conflict);
  bind.set_anonymous(anonymous);
  client.bind_ = ask.SerializeAsString();
  BindAgain(client);
  return client;
}

void Edge::BindAgain(Client& client) {
  client.answered_ = false;
  ring_->Ask(client.account_, client.bind_, std::chrono::seconds(10), [&client](const Result<std::string>& body) {
    session::v1::Answer answer;
    if (body) answer.ParseFromString(*body);
    client.bound_ = answer.bound();
    client.jid_ = answer.bound().jid();
    client.answered_ = true;
  });
}

void Edge::Restore(Client& client, session::v1::Record record, std::function<void(bool)> done) {
  session::v1::Ask ask;
  ask.mutable_restore()->set_account(client.account_);
  record.set_session(client.id_);
  record.set_node(instance_);
  record.set_node_epoch(lease_.epoch());
  *ask.mutable_restore()->mutable_record() = std::move(record);
  ring_->Ask(client.account_, ask.SerializeAsString(), std::chrono::seconds(10),
             [done](const Result<std::string>& body) {
               session::v1::Answer answer;
               if (body) answer.ParseFromString(*body);
               done(answer.restored().ok());
             });
}

// The same rule as the real edge's (ARCHITECTURE.md, "The legs of a stanza").
void Edge::Send(std::unique_ptr<rpc::Envelope> envelope) {
  const std::string bare(xmpp::BareOf(envelope->from()));
  const bool to_other = !envelope->to().empty() && xmpp::BareOf(envelope->to()) != bare &&
                        !xmpp::LocalOf(envelope->to()).empty() && xmpp::DomainOf(envelope->to()).ends_with(".example");
  const bool direct =
      to_other && envelope->kind() != link::v1::KIND_PRESENCE && envelope->kind() != link::v1::KIND_CONTROL;
  envelope->set_leg(direct ? link::v1::LEG_INBOUND : link::v1::LEG_OUTBOUND);
  const std::string key(direct ? xmpp::BareOf(envelope->to()) : std::string_view(bare));
  last_ = *envelope;
  const bool unasked = envelope->kind() == link::v1::KIND_MESSAGE && !asked_;
  ring_->Send(key, std::move(envelope), unasked ? rpc::testing::NobodyWaits() : rpc::Receipt());
}

void Edge::SendAgain(std::unique_ptr<rpc::Envelope> envelope) {
  envelope->set_repeat(true);
  Send(std::move(envelope));
}

void Edge::ForgetReceived() {
  for (auto& [id, client] : clients_) client->Take();
}

void Edge::SetHolding(bool holding) {
  holding_ = holding;
  if (!holding) receipts_.clear();
}

Client* Edge::Find(const std::string& session) {
  if (std::find(lost_.begin(), lost_.end(), session) != lost_.end()) return nullptr;
  for (auto* table : {&clients_, &resuming_}) {
    if (const auto found = table->find(session); found != table->end()) return found->second.get();
  }
  return nullptr;
}

rpc::RefusalReason Edge::WhyGone(const std::string& session) const {
  const bool over = std::find(over_.begin(), over_.end(), session) != over_.end();
  return over ? link::v1::REFUSAL_REASON_SESSION_OVER : link::v1::REFUSAL_REASON_NO_SESSION;
}

void Edge::OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  OnDelivery(std::move(envelope), std::move(receipt));
}

void Edge::OnDelivery(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  if (frozen_) {
    frozen_deliveries_.push_back({std::move(envelope), std::move(receipt)});
    return;
  }
  if (envelope->has_hand_over()) return HandOver(envelope->session(), std::move(receipt));
  if (envelope->has_disconnect()) {
    const auto found = clients_.find(envelope->session());
    if (found != clients_.end()) found->second->disconnected_ = envelope->disconnect().condition();
    return;
  }
  Client* client = Find(envelope->session());
  if (client == nullptr) return receipt.Refuse(WhyGone(envelope->session()));
  const bool takes = !overloaded_ && (!envelope->kept() || TakesStored(*envelope));
  if (!takes) return receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  if (resuming_.contains(client->id())) {
    client->early_.push_back({std::move(envelope), std::move(receipt)});
    return;
  }
  Take(*client, std::move(envelope), std::move(receipt));
}

bool Edge::TakesStored(const rpc::Envelope& kept) {
  const bool behind = kept.batch_place() > 1 && batch_refused_;
  batch_refused_ = behind || in_doubt_ || std::exchange(refuse_stored_, false);
  return !batch_refused_;
}

// Of what comes from a store only exact numbers count, as with the real one.
std::uint64_t& Edge::Exactly(const session::Mark& mark, const std::string& session) {
  return seen_[{StableHash("kept", mark.origin ^ StableHash("number", mark.seq)), session}];
}

void Edge::Take(Client& client, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  if (const session::Mark mark = session::MarkOf(*envelope); mark.origin != 0) {
    auto& highest = seen_[{mark.origin, envelope->session()}];
    auto& exactly = Exactly(mark, envelope->session());
    if (envelope->repeat() && mark.seq <= (envelope->kept() ? exactly : highest)) {
      ++repeats_;
      return;
    }
    highest = std::max(highest, mark.seq);
    exactly = mark.seq;
  }
  if (envelope->repeat()) ++doubtful_;
  if (envelope->answers() != 0 && envelope->repeat()) ++doubtful_answers_;
  if (!client.queue_.empty()) return Queue(client, std::move(envelope), std::move(receipt));
  client.received_.push_back(envelope->stanza());
  if (holding_) receipts_.push_back(std::move(receipt));
}

void Edge::OnUndeliverable(rpc::Held held, rpc::RefusalReason) { undeliverable_.push_back(held.envelope->stanza()); }

}  // namespace parley::router::testing
