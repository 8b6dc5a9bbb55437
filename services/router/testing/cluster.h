#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "services/router/testing/edge.h"
#include "services/router/testing/memory_roster.h"
#include "services/router/testing/xml.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::config {
struct Config;
}
namespace parley::telemetry {
class Metrics;
}
namespace parley::router {
class Router;
}

namespace parley::router::testing {

// Real routers on real links with a real Redis; fake edges and a roster service without a database. Domains
// home.example and other.example are served.
class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest();
  ~ClusterTest() override;
  void SetUp() override;

  // Before Start(): how many, and settings like "router.max_resources_per_account=2".
  void Configure(int routers, std::vector<std::string> settings = {});
  void Start();
  void StartRouter(std::size_t index);
  // Redis refuses it alone, and then not any more.
  void CutFromRedis(std::size_t router);
  void JoinToRedis(std::size_t router);
  void DrainRouter(
      std::size_t index, std::function<void()> done = [] {});
  // As if killed: nothing is handed over.
  void KillRouter(std::size_t index);
  bool HasEdge(const std::string& instance, std::size_t router = 0) const;
  // What its readiness lacks.
  std::string Missing(std::size_t router = 0) const;
  // It waits for edges and routers before it serves.
  bool Joins(std::size_t router) const;
  Edge& AddEdge(const std::string& instance);
  void KillEdge(Edge& edge);

  // Bound, and its stream is up.
  Client& Login(const std::string& jid);
  Client& Login(Edge& edge, const std::string& jid);
  // The same, and it has asked for its roster, sent presence, and forgotten what came of it.
  Client& Online(const std::string& jid, int priority = 0);
  Client& Online(Edge& edge, const std::string& jid, int priority = 0);

  // Until all that was sent is acknowledged: then all that comes of it has arrived.
  void Settle();
  void RunUntil(const std::function<bool()>& condition) { test::RunUntil(loop_, condition); }
  std::vector<std::string> Received(Client& client) {
    Settle();
    return client.Take();
  }
  // What another router would write.
  std::string Redis(const std::vector<std::string>& words) { return redis_.Call(words); }

  const std::string& address(std::size_t router = 0) const { return addresses_.at(router); }
  Edge& edge() { return *edges_.front(); }
  double Metric(const std::string& name_and_labels) const;

  Loop loop_;
  test::RedisServer redis_;
  std::unique_ptr<MemoryRoster> roster_;

 private:
  config::Config ConfigOf(std::size_t index) const;

  std::vector<std::string> settings_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<telemetry::Metrics>> metrics_;
  std::vector<std::unique_ptr<Router>> routers_;
  std::vector<std::unique_ptr<Edge>> edges_;
  bool started_ = false;
};

}  // namespace parley::router::testing
