#include <sstream>
#include <utility>

#include "libs/config/config.h"
#include "libs/telemetry/metrics.h"
#include "libs/xmpp/jid.h"
#include "services/router/router.h"
#include "services/router/testing/cluster.h"

namespace parley::router::testing {

namespace {

constexpr std::size_t kMostRouters = 3;

std::string NameOf(std::size_t router) { return "router-" + std::to_string(router + 1); }

// Each router is a user of its own.
std::vector<std::string> RedisUsers() {
  std::vector<std::string> arguments;
  for (std::size_t i = 0; i < kMostRouters; ++i) {
    const std::vector<std::string> user{"--user", NameOf(i), "on", "nopass", "~*", "&*", "+@all"};
    arguments.insert(arguments.end(), user.begin(), user.end());
  }
  return arguments;
}

}  // namespace

ClusterTest::ClusterTest() : redis_(RedisUsers()) {}
ClusterTest::~ClusterTest() = default;

void ClusterTest::SetUp() {
  for (const char* account :
       {"romeo@home.example", "juliet@home.example", "benvolio@home.example", "nurse@other.example"}) {
    if (!roster_) roster_ = std::make_unique<MemoryRoster>(loop_, "127.0.0.1:0");
    roster_->AddAccount(account);
  }
}

void ClusterTest::Configure(int routers, std::vector<std::string> settings) {
  settings_ = std::move(settings);
  for (int i = 0; i < routers; ++i) addresses_.push_back("127.0.0.1:" + std::to_string(test::FreePort()));
}

config::Config ClusterTest::ConfigOf(std::size_t index) const {
  std::string yaml =
      "hosts:\n  - domain: home.example\n    registration: true\n    admin_addresses: ['mailto:a@home.example']\n"
      "  - domain: other.example\n";
  std::vector<std::string> settings = {
      "c2s.lease_ttl=600ms",      "c2s.lease_refresh=100ms",  "router.lease_poll=50ms",
      "router.restore_grace=10m", "router.reap_claim=1000ms", "router.reap_retry=50ms",
      "link.reconnect_min=10ms",  "link.reconnect_max=50ms",  "router.sm_orphan_grace=0s",
  };
  settings.insert(settings.end(), settings_.begin(), settings_.end());
  config::Config config = config::Parse(yaml, settings);
  config.cluster.instance = NameOf(index);
  config.cluster.routers = addresses_;
  config.cluster.rosters = {"127.0.0.1:" + std::to_string(roster_->port())};
  config.redis = redis_.options();
  config.redis.username = NameOf(index);
  config.redis.password = "any";
  config.router.listen = addresses_.at(index);
  config.link.idle_ack_delay = std::chrono::hours(1);  // whoever waits for an acknowledgement has to say so
  return config;
}

void ClusterTest::Start() {
  if (addresses_.empty()) Configure(1, settings_);
  for (std::size_t i = 0; i < addresses_.size(); ++i) StartRouter(i);
  AddEdge("c2s-1");
  started_ = true;
}

void ClusterTest::StartRouter(std::size_t index) {
  routers_.resize(addresses_.size());
  metrics_.resize(addresses_.size());
  metrics_[index] = std::make_unique<telemetry::Metrics>();
  routers_[index] = std::make_unique<Router>(loop_, ConfigOf(index), *metrics_[index]);
  RunUntil([&] { return Missing(index).empty(); });
}

void ClusterTest::CutFromRedis(std::size_t router) {
  Redis({"ACL", "SETUSER", NameOf(router), "off"});
  Redis({"CLIENT", "KILL", "USER", NameOf(router)});
}

void ClusterTest::JoinToRedis(std::size_t router) { Redis({"ACL", "SETUSER", NameOf(router), "on"}); }

void ClusterTest::DrainRouter(std::size_t index, std::function<void()> done) {
  routers_.at(index)->Drain(std::move(done));
}

void ClusterTest::KillRouter(std::size_t index) { routers_.at(index).reset(); }

bool ClusterTest::HasEdge(const std::string& instance, std::size_t router) const {
  return routers_.at(router)->HasEdge(instance);
}

std::string ClusterTest::Missing(std::size_t router) const {
  return routers_.at(router)->MissingRedis() + routers_.at(router)->MissingRoster();
}

bool ClusterTest::Joins(std::size_t router) const { return !routers_.at(router)->MissingPeers().empty(); }

Edge& ClusterTest::AddEdge(const std::string& instance) {
  const auto lease_ttl = ConfigOf(0).c2s.lease_ttl;
  Edge& edge = *edges_.emplace_back(std::make_unique<Edge>(loop_, instance, addresses_, redis_.options(), lease_ttl));
  RunUntil([&] { return edge.ready(); });
  RunUntil([&] {
    for (const auto& router : routers_) {
      if (router && !router->HasEdge(instance)) return false;
    }
    return true;
  });
  return edge;
}

void ClusterTest::KillEdge(Edge& edge) {
  std::erase_if(edges_, [&](const auto& e) { return e.get() == &edge; });
}

Client& ClusterTest::Login(const std::string& jid) {
  if (!started_) Start();
  return Login(*edges_.front(), jid);
}

Client& ClusterTest::Online(const std::string& jid, int priority) {
  if (!started_) Start();
  return Online(*edges_.front(), jid, priority);
}

Client& ClusterTest::Login(Edge& edge, const std::string& jid) {
  Client& client = edge.Bind(std::string(xmpp::BareOf(jid)), std::string(xmpp::ResourceOf(jid)));
  RunUntil([&] { return edge.answered(client); });
  return client;
}

Client& ClusterTest::Online(Edge& edge, const std::string& jid, int priority) {
  Client& client = Login(edge, jid);
  client.Send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
  client.Send("<presence><priority>" + std::to_string(priority) + "</priority></presence>");
  Settle();
  for (auto& each : edges_) each->ForgetReceived();
  return client;
}

void ClusterTest::Settle() {
  RunUntil([&] {
    for (const auto& edge : edges_) {
      edge->Hurry();
      if (edge->unacknowledged() != 0) return false;
    }
    for (const auto& router : routers_) {
      if (router && !router->Idle()) return false;
    }
    return true;
  });
}

double ClusterTest::Metric(const std::string& name_and_labels) const {
  double sum = 0;
  for (const auto& metrics : metrics_) {
    if (!metrics) continue;
    std::istringstream text(metrics->Text());
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with(name_and_labels + " ")) sum += std::stod(line.substr(name_and_labels.size()));
    }
  }
  return sum;
}

}  // namespace parley::router::testing
