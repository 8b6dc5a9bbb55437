#include "bench/micro/cluster.h"

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "libs/base/log.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/streams.h"

namespace parley::bench {
namespace {

constexpr char kDomain[] = "localhost";
constexpr std::chrono::hours kNever{1};

config::Host HostIn(const test::TempDirectory& files) {
  const auto issued = test::CertificateAuthority().Issue({.common_name = kDomain, .dns_names = {kDomain}});
  config::Host host;
  host.domain = kDomain;
  host.certificate_file = files.Write("host.crt", issued.certificate);
  host.key_file = files.Write("host.key", issued.key);
  return host;
}

config::Config ConfigOf(const test::RedisServer& redis, const router::testing::MemoryRoster& roster,
                        const test::TempDirectory& files) {
  config::Config config;
  config.hosts = {HostIn(files)};
  config.redis = redis.options();
  config.router.listen = "127.0.0.1:" + std::to_string(test::FreePort());
  config.cluster.routers = {config.router.listen};
  config.cluster.rosters = {"127.0.0.1:" + std::to_string(roster.port())};
  config.link.keepalive = config.link.keepalive_timeout = kNever;
  config.link.reconnect_min = config.link.reconnect_max = kNever;
  config.link.ack_delay = config.link.busy_ack_delay = config.link.idle_ack_delay = std::chrono::milliseconds(0);
  config.c2s.lease_ttl = kNever;
  config.c2s.idle_ping = kNever;
  config.c2s.listen = {"127.0.0.1:0"};
  config.c2s.listen_tls.clear();
  config.c2s.stanzas_per_second = 0;
  config.c2s.bytes_per_second = 0;
  config.c2s.sm_ack_pace = std::chrono::milliseconds(1);
  return config;
}

config::Config Named(config::Config config, const std::string& instance) {
  config.cluster.instance = instance;
  return config;
}

}  // namespace

Cluster& Cluster::The() {
  static Cluster cluster;
  return cluster;
}

Cluster::Cluster() : config_(Named(ConfigOf(redis_, roster_, files_), "c2s-1")) {
  log::Options quiet;
  quiet.level = log::Level::kError;
  log::Init(quiet);
  router_ = std::make_unique<router::Router>(loop_, Named(config_, "router-1"), router_metrics_);
  admin_ = std::make_unique<telemetry::Admin>(loop_, edge_metrics_, "127.0.0.1:0");
  edge_ = std::make_unique<c2s::Edge>(loop_, config_, edge_metrics_, *admin_);
  Until([this] { return edge_->ready() && router_->MissingRedis().empty(); });
}

void Cluster::Until(const std::function<bool()>& condition) {
  if (condition()) return;
  const auto check = [&] {
    if (condition()) loop_.Stop();
  };
  const auto looking = loop_.Every(std::chrono::milliseconds(1), check);
  loop_.Run();
}

void Cluster::InTurn(const std::function<void()>& call) {
  loop_.Post([&] {
    call();
    loop_.Stop();
  });
  loop_.Run();
}

Client::Client(Cluster& cluster, const std::string& jid, Management management) : cluster_(cluster) {
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()) != 0) throw std::runtime_error("socketpair");
  auto& streams = cluster_.context().streams;
  streams.Open(cluster_.context(), ends_[0], "127.0.0.1", c2s::Streams::Kind::kStartTls);
  const auto fresh = [](c2s::Stream& stream) { return stream.identity() == nullptr && stream.namespaces().empty(); };
  stream_ = streams.Some(1, fresh).front();
  Open();
  const auto full = xmpp::Jid::Parse(jid);
  stream_->Authenticated({.account = *xmpp::Jid::Parse(std::string(full->bare())), .mechanism = "PLAIN"});
  Open();
  Say("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" +
      std::string(full->resource()) + "</resource></bind></iq>");
  Await("</iq>");
  session_ = FindSession(jid);
  if (management == Management::kOff) return;
  Say("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
  Await("<enabled ");
}

Client::~Client() { ::close(ends_[1]); }

void Client::Open() {
  Say("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' "
      "version='1.0'>");
  Await("</stream:features>");
}

std::shared_ptr<c2s::Session> Client::FindSession(const std::string& jid) {
  for (const auto& known : cluster_.context().sessions.All()) {
    const auto session = known.lock();
    if (session && session->jid().str() == jid) return session;
  }
  throw std::runtime_error("no session of " + jid);
}

void Client::Say(std::string_view bytes) {
  if (::send(ends_[1], bytes.data(), bytes.size(), 0) < 0) throw std::runtime_error("send");
}

std::string Client::Hear() {
  std::string heard;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto got = ::recv(ends_[1], buffer.data(), buffer.size(), 0);
    if (got <= 0) return heard;
    heard.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

void Client::Await(std::string_view text) {
  std::string heard;
  cluster_.Until([&] {
    heard += Hear();
    return heard.find(text) != std::string::npos;
  });
}

void Client::Settle() {
  cluster_.Until([this] {
    Hear();
    return session_->uplink().idle() && stream_->queued() == 0;
  });
}

}  // namespace parley::bench
