#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libs/base/loop.h"
#include "libs/config/config.h"
#include "libs/telemetry/admin.h"
#include "libs/telemetry/metrics.h"
#include "services/c2s/edge.h"
#include "services/c2s/session/session.h"
#include "services/c2s/stream/stream.h"
#include "services/router/router.h"
#include "services/router/testing/memory_roster.h"
#include "tests/support/certificates.h"
#include "tests/support/redis_server.h"

namespace parley::bench {

// A router, an edge and a roster service without a database in one process and on one loop, with a Redis of their own and
// real links between them. What runs on it must not mind how slow the machine is: nothing times out.
class Cluster {
 public:
  // Made when it is asked for first.
  static Cluster& The();

  Loop& loop() { return loop_; }
  router::Router& router() { return *router_; }
  c2s::Context& context() { return edge_->context(); }
  router::testing::MemoryRoster& roster() { return roster_; }
  storage::RedisOptions redis() const { return redis_.options(); }
  // Turns the loop until `condition` holds.
  void Until(const std::function<bool()>& condition);
  // Calls it within a turn of the loop, where everything is called that comes from a socket.
  void InTurn(const std::function<void()>& call);

 private:
  Cluster();

  Loop loop_;
  test::RedisServer redis_;
  router::testing::MemoryRoster roster_{loop_, "127.0.0.1:0"};
  test::TempDirectory files_;
  config::Config config_;
  telemetry::Metrics router_metrics_;
  telemetry::Metrics edge_metrics_;
  std::unique_ptr<router::Router> router_;
  std::unique_ptr<telemetry::Admin> admin_;
  std::unique_ptr<c2s::Edge> edge_;
};

// A client of its edge: the edge's stream and session are real, with the other end of its socket in our hands. It logs in
// by what clients say, but for TLS and SASL.
class Client {
 public:
  enum class Management { kOff, kOn };
  Client(Cluster& cluster, const std::string& jid, Management management);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  c2s::Session& session() { return *session_; }
  // By the socket.
  void Say(std::string_view bytes);
  // As if they had come by the socket, at once.
  void Feed(std::string_view bytes) { static_cast<net::Connection::Reader&>(*stream_).OnBytes(bytes); }
  // What it got since the last call.
  std::string Hear();
  // Until it got this.
  void Await(std::string_view text);
  // Until all that it sent is with the router, and all that it is sent has left.
  void Settle();

 private:
  void Open();
  std::shared_ptr<c2s::Session> FindSession(const std::string& jid);

  Cluster& cluster_;
  std::array<int, 2> ends_{};
  std::shared_ptr<c2s::Stream> stream_;
  std::shared_ptr<c2s::Session> session_;
};

}  // namespace parley::bench
