#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/config/config.h"
#include "libs/rpc/server.h"
#include "libs/telemetry/admin.h"
#include "libs/telemetry/metrics.h"
#include "services/c2s/edge.h"
#include "services/c2s/testing/fake_accounts.h"
#include "services/c2s/testing/fake_router.h"
#include "tests/support/certificates.h"
#include "tests/support/on_loop.h"
#include "tests/support/redis_server.h"

namespace parley::c2s::testing {

inline constexpr char kHost[] = "example.org";
inline constexpr char kOtherHost[] = "second.example";

// A whole edge with real sockets, TLS, links, unary calls and Redis, on a thread of its own; only what is behind the
// links and calls is made up. The test's thread plays the clients.
class EdgeHarness {
 public:
  using Change = std::function<void(config::Config&)>;
  explicit EdgeHarness(const Change& change = {}) {
    config_ = MakeConfig();
    config_.link.idle_ack_delay = kNever;
    router_server_ = MakeServer("router-1", {}, &router_);
    accounts_server_ = MakeServer("roster-1", accounts_.methods(), nullptr);
    config_.cluster.routers = {Address(*router_server_)};
    config_.cluster.rosters = {Address(*accounts_server_)};
    accounts_.Add("romeo@example.org", "wherefore");
    accounts_.Add("juliet@example.org", "art thou");
    if (change) change(config_);
    admin_ = std::make_unique<telemetry::Admin>(loop_, registry_, "127.0.0.1:0");
    edge_ = std::make_unique<Edge>(loop_, config_, registry_, *admin_);
    thread_ = std::thread([this] { loop_.Run(); });
    EXPECT_TRUE(Eventually([this] { return edge_->ready(); }));
  }
  ~EdgeHarness() {
    loop_.Post([this] { loop_.Stop(); });
    thread_.join();
    edge_.reset();
  }

  // What `question` says on the loop's thread.
  template <class Question>
  auto OnLoop(Question question) {
    return test::OnLoop(loop_, std::move(question));
  }
  // Whether `condition` comes true there within ten seconds.
  bool Eventually(const std::function<bool()>& condition) { return test::Eventually(loop_, condition); }
  // A metric's line value; 0 if there is none.
  double Metric(const std::string& line_start) {
    const auto read = [this] { return registry_.Text(); };
    const std::string text = loop_.on_thread() ? read() : OnLoop(read);
    const auto at = text.find("\n" + line_start + " ");
    return at == std::string::npos ? 0 : std::stod(text.substr(at + line_start.size() + 2));
  }

  const std::string& instance() const { return config_.cluster.instance; }
  int port() const { return edge_->ports(Streams::Kind::kStartTls).front(); }
  int tls_port() const { return edge_->ports(Streams::Kind::kDirectTls).front(); }
  int admin_port() const { return admin_->port(); }
  Loop& loop() { return loop_; }
  Edge& edge() { return *edge_; }
  FakeRouter& router() { return router_; }
  FakeAccounts& accounts() { return accounts_; }
  test::RedisServer& redis() { return Redis(); }
  const test::CertificateAuthority& ca() const { return Certificates().ca; }
  void StopRouter() {
    OnLoop([this] {
      router_server_.reset();
      router_.links.clear();  // they went with it
    });
  }
  // Where it was before.
  void StartRouter() {
    OnLoop([this] { router_server_ = MakeServer("router-1", {}, &router_, config_.cluster.routers.front()); });
  }

 private:
  struct HostCertificates {
    HostCertificates() {
      for (const std::string domain : {kHost, kOtherHost}) {
        const auto issued = ca.Issue({.common_name = domain, .dns_names = {domain}});
        files.Write(domain + ".crt", issued.certificate);
        files.Write(domain + ".key", issued.key);
      }
      files.Write("ca.crt", ca.pem());
    }
    test::CertificateAuthority ca;
    test::TempDirectory files;
  };
  static HostCertificates& Certificates() {
    static HostCertificates certificates;
    return certificates;
  }
  static test::RedisServer& Redis() {
    static test::RedisServer redis;
    return redis;
  }

  static config::Host MakeHost(const std::string& domain) {
    const std::string path = Certificates().files.path() + "/";
    config::Host host;
    host.domain = domain;
    host.certificate_file = path + domain + ".crt";
    host.key_file = path + domain + ".key";
    host.client_ca_file = path + "ca.crt";
    host.registration = host.anonymous = host.external = true;
    return host;
  }
  static config::Config MakeConfig() {
    config::Config config;
    config.hosts = {MakeHost(kHost), MakeHost(kOtherHost)};
    config.hosts.back().plain = config.hosts.back().registration = config.hosts.back().anonymous = false;
    config.redis = Redis().options();
    config.cluster.instance = "c2s-" + std::to_string(++instances_);
    config.c2s.listen = {"127.0.0.1:0"};
    config.c2s.listen_tls = {"127.0.0.1:0"};
    config.c2s.auth_failure_delay = std::chrono::milliseconds(1);
    config.c2s.auth_failures_per_minute_per_address = 0;
    config.c2s.connections_per_second_per_address = 0;
    config.c2s.stanzas_per_second = 0;
    config.c2s.bytes_per_second = 0;
    config.c2s.close_timeout = std::chrono::milliseconds(2000);
    return config;
  }
  std::unique_ptr<rpc::Server> MakeServer(const std::string& instance, rpc::Methods methods, rpc::LinkHandler* handler,
                                          const std::string& listen = "127.0.0.1:0") {
    rpc::Self self{instance.substr(0, instance.find('-')), instance, "epoch"};
    rpc::LinkOptions options;
    options.idle_ack_delay = kNever;
    return std::make_unique<rpc::Server>(loop_, self, listen, options, std::move(methods), handler);
  }
  // Whoever waits for an acknowledgement has to say so.
  static constexpr std::chrono::hours kNever{1};
  static std::string Address(const rpc::Server& server) { return "127.0.0.1:" + std::to_string(server.port()); }

  inline static int instances_ = 0;
  Loop loop_;
  telemetry::Metrics registry_;
  FakeRouter router_;
  FakeAccounts accounts_;
  std::unique_ptr<rpc::Server> router_server_;
  std::unique_ptr<rpc::Server> accounts_server_;
  config::Config config_;
  std::unique_ptr<telemetry::Admin> admin_;
  std::unique_ptr<Edge> edge_;
  std::thread thread_;
};

}  // namespace parley::c2s::testing
