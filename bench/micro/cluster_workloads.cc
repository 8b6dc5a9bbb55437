// The way of a chat message through the services, in pieces: into an edge's uplink, through a router, out of an edge; a
// ping to the server, and presence to all contacts.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/micro/cluster.h"
#include "bench/micro/workloads.h"
#include "libs/rpc/inbox.h"
#include "services/c2s/routers.h"
#include "services/router/intake.h"

namespace parley::bench {
namespace {

using Management = Client::Management;

constexpr char kManagedReceiver[] = "bench1002@localhost/bench";
constexpr char kManagedSender[] = "bench1003@localhost/bench";
constexpr char kPopular[] = "bench1004@localhost";
constexpr char kPing[] = "<iq type='get' to='localhost' id='~1f.2a.3b9aca00~'><ping xmlns='urn:xmpp:ping'/></iq>";

// Those who are logged in: made when a workload needs them.
struct Clients {
  static Clients& The() {
    static Clients clients;
    return clients;
  }
  Cluster& cluster = Cluster::The();
  Client sender{cluster, kSender, Management::kOff};
  Client receiver{cluster, kReceiver, Management::kOff};
  Client managed_sender{cluster, kManagedSender, Management::kOn};
  Client managed_receiver{cluster, kManagedReceiver, Management::kOn};
};

// Somebody and all of a roster of 20, available.
struct Circle {
  static Circle& The() {
    static Circle circle;
    return circle;
  }
  Circle() {
    auto& roster = cluster.roster();
    roster.AddAccount(kPopular);
    for (int i = 0; i < kContacts; ++i) {
      const auto contact = "bench" + std::to_string(2000 + i) + "@localhost";
      roster.AddAccount(contact);
      roster.Befriend(kPopular, contact, xmpp::Subscription::kBoth);
      contacts.push_back(std::make_unique<Client>(cluster, contact + "/bench", Management::kOff));
      Appear(*contacts.back());
    }
    Appear(user);
  }
  static void Appear(Client& client) {
    client.Say("<presence/>");
    client.Await("<presence ");
  }
  // Until all have got this.
  void Await(std::string_view text) {
    for (const auto& contact : contacts) contact->Await(text);
    user.Await(text);
  }

  static constexpr int kContacts = 20;
  Cluster& cluster = Cluster::The();
  Client user{cluster, kPopular + std::string("/bench"), Management::kOff};
  std::vector<std::unique_ptr<Client>> contacts;
};

Client& Sender(Management management) {
  auto& clients = Clients::The();
  return management == Management::kOn ? clients.managed_sender : clients.sender;
}

// From the bytes of a stanza, as its connection has them, to an envelope in the link to the router.
Workload EdgeIn(const char* name, Management management) {
  constexpr int kAsk = 50;  // stanzas, after which a client with stream management asks for an acknowledgement
  auto said = std::make_shared<int>(0);
  return {name, [management] { Sender(management).Feed(kChat); },
          [management, said](const auto& counted) {
            auto& client = Sender(management);
            Clients::The().cluster.InTurn(counted);
            client.Settle();
            Clients::The().receiver.Settle();
            if (management == Management::kOff || ++*said % kAsk != 0) return;
            client.Say("<r xmlns='urn:xmpp:sm:3'/>");
            client.Await("<a ");
          }};
}

// A question to the server that its edge answers: from its bytes to those of the answer.
Workload EdgePing() {
  return {"edge_ping", [] { Sender(Management::kOff).Feed(kPing); },
          [](const auto& counted) {
            Clients::The().cluster.InTurn(counted);
            Sender(Management::kOff).Settle();
          }};
}

// Envelopes as links bring them, and what is owed for them.
class Arrivals {
 public:
  void Make(std::size_t count, const std::string& session, const std::string& to, link::v1::Leg leg) {
    for (std::size_t i = 0; i < count; ++i) {
      auto envelope = rpc::NewEnvelope();
      FillChat(*envelope);
      envelope->set_leg(leg);
      envelope->set_to(to);
      envelope->set_session(session);
      Add(std::move(envelope));
    }
  }
  void Add(std::unique_ptr<rpc::Envelope> envelope) {
    envelope->set_origin_seq(++number_);
    auto receipt = inbox_.Owe(*envelope);
    held_.push_back({std::move(envelope), std::move(receipt)});
  }
  template <class Take>
  void Give(Take take) {
    for (auto& held : held_) take(std::move(held.envelope), std::move(held.receipt));
  }
  bool settled() const { return inbox_.untold() == held_.size(); }
  void Clear() {
    held_.clear();
    told_.Clear();
    inbox_.Tell(told_);
  }
  // Called when all are settled.
  std::function<void()> on_settled;

 private:
  rpc::Inbox inbox_{rpc::LinkOptions(), [this] {
                      if (on_settled && settled()) on_settled();
                    }};
  std::vector<rpc::Held> held_;
  link::v1::Frame told_;
  std::uint64_t number_ = 1000;  // above those that the clients' own stanzas have
};

void GiveRouter(Arrivals& arrivals) {
  auto& intake = Cluster::The().router().intake();
  arrivals.Give([&](auto envelope, auto receipt) { intake.Take(std::move(envelope), std::move(receipt)); });
}

void DeliverAll(Arrivals& arrivals) {
  auto& routers = Cluster::The().context().routers;
  arrivals.Give([&](auto envelope, auto receipt) { routers.Deliver(std::move(envelope), std::move(receipt)); });
}

// Gives them in a turn of the loop, which turns until all are settled.
void GiveAndSettle(Arrivals& arrivals, void (*give)(Arrivals&)) {
  auto& loop = Cluster::The().loop();
  arrivals.on_settled = [&loop] { loop.Stop(); };
  loop.Post([&arrivals, give] { give(arrivals); });
  loop.Run();
}

// From an envelope that a link brought to the one in the link to the recipient's edge.
Workload RouterDeliver() {
  auto arrivals = std::make_shared<Arrivals>();
  return {"router_deliver",
          [arrivals] { GiveRouter(*arrivals); },
          [arrivals](const auto& counted) {
            auto& clients = Clients::The();
            arrivals->Make(1, {}, kReceiver, link::v1::LEG_INBOUND);
            clients.cluster.InTurn(counted);
            clients.cluster.Until([&] { return arrivals->settled(); });
            clients.receiver.Settle();
            arrivals->Clear();
          }};
}

// From an envelope that a link brought to bytes that wait to be sealed and sent.
Workload EdgeOut() {
  auto arrivals = std::make_shared<Arrivals>();
  return {"edge_out", [arrivals] { DeliverAll(*arrivals); },
          [arrivals](const auto& counted) {
            auto& clients = Clients::The();
            auto& receiver = clients.receiver;
            arrivals->Make(1, receiver.session().id(), kReceiver, link::v1::LEG_DELIVER);
            clients.cluster.InTurn(counted);
            receiver.Settle();
            arrivals->Clear();
          }};
}

// The same with stream management, ten in one turn: into the queue in Redis and, when that has them, to the client.
Workload EdgeOutManaged() {
  constexpr int kBatch = 10;
  auto arrivals = std::make_shared<Arrivals>();
  auto acknowledged = std::make_shared<int>(0);
  return {"edge_out_sm_10",
          [arrivals] { GiveAndSettle(*arrivals, DeliverAll); },
          [arrivals, acknowledged](const auto& counted) {
            auto& clients = Clients::The();
            auto& receiver = clients.managed_receiver;
            arrivals->Make(kBatch, receiver.session().id(), kManagedReceiver, link::v1::LEG_DELIVER);
            counted();
            receiver.Settle();
            arrivals->Clear();
            *acknowledged += kBatch;
            receiver.Say("<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(*acknowledged) + "'/>");
            auto& outbound = receiver.session().management()->outbound();
            clients.cluster.Until([&] { return outbound.unacked().size() == 0; });
          }};
}

std::unique_ptr<rpc::Envelope> PresenceOf(Client& client, const std::string& status) {
  auto envelope = rpc::NewEnvelope();
  envelope->set_kind(link::v1::KIND_PRESENCE);
  envelope->set_type(link::v1::TYPE_AVAILABLE);
  envelope->set_leg(link::v1::LEG_OUTBOUND);
  envelope->set_from(client.session().jid().str());
  envelope->set_origin(client.session().id());
  envelope->set_stanza("<presence><show>away</show>" + status + "</presence>");
  return envelope;
}

// Presence for all contacts: from the envelope that a link brought, by way of the session's record in Redis, the router
// and the link, until the edge has it for the clients of all 20.
Workload Presence() {
  auto arrivals = std::make_shared<Arrivals>();
  auto said = std::make_shared<int>(0);
  return {"presence_20",
          [arrivals] { GiveAndSettle(*arrivals, GiveRouter); },
          [arrivals, said](const auto& counted) {
            auto& circle = Circle::The();
            const auto status = "<status>" + std::to_string(1000 + ++*said % 1000) + "</status>";
            arrivals->Add(PresenceOf(circle.user, status));
            counted();
            circle.Await(status);
            arrivals->Clear();
          }};
}

}  // namespace

std::vector<Workload> ClusterWorkloads() {
  return {EdgeIn("edge_in", Management::kOff), EdgeIn("edge_in_sm", Management::kOn), EdgePing(), RouterDeliver(),
          EdgeOut(), EdgeOutManaged(), Presence()};
}

}  // namespace parley::bench
