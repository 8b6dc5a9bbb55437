// The process as a whole: leases, certificates, overload, the end.
#include "services/c2s/edge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "services/c2s/stream/stream.h"
#include "services/c2s/streams.h"
#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class EdgeTest : public ::testing::Test {
 protected:
  static config::Config& Quick(config::Config& config) {
    config.c2s.lease_ttl = std::chrono::milliseconds(600);
    config.c2s.lease_refresh = std::chrono::milliseconds(100);
    return config;
  }
  static bool HasAsk(FakeRouter& router, bool (session::v1::Ask::*which)() const) {
    return std::any_of(router.asks.begin(), router.asks.end(), [&](const auto& ask) { return (ask.*which)(); });
  }

  static std::string Probe(const EdgeHarness& edge) {
    test::TlsClient client(edge.admin_port());
    EXPECT_TRUE(client.Send("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    return client.ReceiveAll();
  }

  static double LeaseHeld(EdgeHarness& edge) {
    edge.OnLoop([&] { edge.edge().Measure(); });
    return edge.Metric("parley_c2s_lease_held");
  }

  // `refuse` and `accept`: what Redis is told. All tests have the same one.
  static void ServesSessionsWhile(const std::vector<std::string>& refuse, const std::vector<std::string>& accept,
                                  const std::string& reason) {
    EdgeHarness edge([](config::Config& config) { Quick(config); });
    const auto held = [&] { return edge.edge().context().node.held(); };
    const std::shared_ptr<void> after(nullptr, [&](void*) { edge.redis().Call(accept); });
    Client client(edge.port());
    client.Start();
    EXPECT_EQ(LeaseHeld(edge), 1);
    edge.redis().Call(refuse);
    ASSERT_TRUE(edge.Eventually([&] { return !held(); }));
    for (int i = 0; i < 20; ++i) EXPECT_THAT(Probe(edge), HasSubstr(" 200 "));
    EXPECT_EQ(LeaseHeld(edge), 0);
    EXPECT_EQ(client.Sync().find("stream:error"), std::string::npos);
    client.connection().Close();
    ASSERT_TRUE(edge.Eventually([&] { return edge.edge().context().sessions.size() == 0; }));
    EXPECT_THAT(Probe(edge), AllOf(HasSubstr(" 503 "), HasSubstr("lease: no lease in Redis: "), HasSubstr(reason)));
    edge.redis().Call(accept);
    ASSERT_TRUE(edge.Eventually(held));
    EXPECT_THAT(Probe(edge), HasSubstr(" 200 "));
  }
};

TEST_F(EdgeTest, PutsSessionsBackAfterRedisLostItsData) {
  EdgeHarness edge([](config::Config& config) { Quick(config); });
  Client client(edge.port());
  client.Start();
  client.Send(
      "<iq id='1' type='get'><query xmlns='jabber:iq:roster'/></iq><presence><priority>5</priority></presence>");
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 2; }));
  edge.redis().Call({"FLUSHALL"});
  ASSERT_TRUE(edge.Eventually([&] { return HasAsk(edge.router(), &session::v1::Ask::has_restore); }));
  const auto asks = edge.OnLoop([&] { return edge.router().asks; });
  const auto& bind = asks.front().bind();
  const auto& restore = asks.back().restore();
  EXPECT_EQ(restore.account(), "romeo@example.org");
  EXPECT_EQ(restore.record().session(), bind.session());
  EXPECT_EQ(restore.record().resource(), "orchard");
  EXPECT_EQ(restore.record().priority(), 5);
  EXPECT_TRUE(restore.record().interested());
  EXPECT_THAT(restore.record().presence(), HasSubstr("<priority>5</priority>"));
  EXPECT_EQ(restore.record().mechanism(), "PLAIN");
  EXPECT_NE(restore.record().node_epoch(), bind.node_epoch());
  EXPECT_EQ(client.Sync().find("stream:error"), std::string::npos);
}

// It may be another router that puts it back, later than its home hears of its end.
TEST_F(EdgeTest, SaysThatASessionIsOverBehindTheAnswerWhetherItIsPutBack) {
  EdgeHarness edge([](config::Config& config) { Quick(config); });
  Client client(edge.port());
  client.Start();
  edge.OnLoop([&] { edge.router().hold_asks = true; });
  edge.redis().Call({"FLUSHALL"});
  ASSERT_TRUE(edge.Eventually([&] { return HasAsk(edge.router(), &session::v1::Ask::has_restore); }));
  edge.OnLoop([&] { edge.router().hold_asks = false; });
  client.Send("</stream:stream>");
  client.Rest();
  // What was said before has come when this has.
  Client other(edge.port());
  other.Start();
  other.Send("<iq id='1' type='get'><query xmlns='jabber:iq:roster'/></iq>");
  ASSERT_TRUE(edge.Eventually([&] { return !edge.router().got.empty(); }));
  EXPECT_FALSE(edge.OnLoop([&] { return edge.router().got.front().envelope.has_session_ended(); }));
  edge.OnLoop([&] { edge.router().AnswerHeld(); });
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 2; }));
  EXPECT_TRUE(edge.OnLoop([&] { return edge.router().got.back().envelope.has_session_ended(); }));
}

TEST_F(EdgeTest, EndsSessionsWhoseResourceWasTakenMeanwhile) {
  EdgeHarness edge([](config::Config& config) { Quick(config); });
  edge.OnLoop([&] { edge.router().restore_ok = false; });
  Client client(edge.port());
  client.Start();
  edge.redis().Call({"FLUSHALL"});
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
}

TEST_F(EdgeTest, TellsClientsToGoWhenItStops) {
  EdgeHarness edge;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(edge.port()));
    clients.back()->LogIn();
    clients.back()->Bind("r" + std::to_string(i));
  }
  Client unready(edge.port());
  unready.Open();
  bool done = false;
  edge.OnLoop([&] { edge.edge().Drain([&] { done = true; }); });
  for (auto& client : clients) {
    EXPECT_EQ(StreamErrorIn(client->Rest()), "system-shutdown");
    client->connection().Close();
  }
  EXPECT_EQ(StreamErrorIn(unready.Rest()), "system-shutdown");
  unready.connection().Close();
  ASSERT_TRUE(edge.Eventually([&] { return done; }));
  EXPECT_TRUE(edge.Eventually([&] { return edge.router().draining; }));
  EXPECT_EQ(edge.OnLoop([&] {
    std::size_t ended = 0;
    for (const auto& got : edge.router().got) ended += got.envelope.has_session_ended();
    return ended;
  }),
            20u);
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  const auto alive = edge.redis().Call({"ZRANGEBYSCORE", "parley:nodes", std::to_string(now.count()), "+inf"});
  EXPECT_THAT(alive, Not(HasSubstr(edge.instance() + "/")));
}

TEST_F(EdgeTest, IsNotReadyBeforeAnybodyIsToldToGo) {
  EdgeHarness edge;
  Client client(edge.port());
  client.Start();
  const auto open = [&] {
    return edge.edge().context().streams.Some(2, [](Stream& stream) { return stream.alive(); }).size();
  };
  edge.OnLoop([&] {
    edge.edge().Drain([] {});
    EXPECT_EQ(open(), 1u);
  });
  EXPECT_THAT(Probe(edge), AllOf(HasSubstr(" 503 "), HasSubstr("stopping")));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "system-shutdown");
}

// Nobody can log in anywhere then: who is in should not be cut off for it.
TEST_F(EdgeTest, StaysInServiceForItsSessionsWhileRedisRefusesWrites) {
  ServesSessionsWhile({"CONFIG", "SET", "min-replicas-to-write", "1"}, {"CONFIG", "SET", "min-replicas-to-write", "0"},
                      "NOREPLICAS");
}

// Each refusal costs the connection, too: a failover may have moved the primary.
TEST_F(EdgeTest, StaysInServiceForItsSessionsWhileRedisIsAReplica) {
  ServesSessionsWhile({"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}, "replica");
}

TEST_F(EdgeTest, NewHandshakesUseNewCertificates) {
  test::CertificateAuthority ca;
  test::TempDirectory files;
  const auto issue = [&](const std::string& name) {
    const auto issued = ca.Issue({.common_name = name, .dns_names = {kHost}});
    files.Write("host.crt", issued.certificate);
    files.Write("host.key", issued.key);
  };
  issue("old");
  EdgeHarness edge([&](config::Config& config) {
    config.hosts.front().certificate_file = files.path() + "/host.crt";
    config.hosts.front().key_file = files.path() + "/host.key";
  });
  Client before(edge.port());
  before.Start();
  EXPECT_EQ(before.connection().common_name(), "old");
  issue("newer");
  edge.OnLoop([&] { edge.edge().ReloadCertificates(); });
  Client after(edge.port());
  after.LogIn();
  EXPECT_EQ(after.connection().common_name(), "newer");
  EXPECT_EQ(before.Sync().find("error"), std::string::npos);
}

TEST_F(EdgeTest, SaysThatItIsFull) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_connections = 1; });
  Client first(edge.port());
  first.Open();
  Client second(edge.port());
  EXPECT_EQ(StreamErrorIn(second.Rest()), "resource-constraint");
  EXPECT_TRUE(first.Secure());
}

TEST_F(EdgeTest, SaysThatItIsFullByAnAlertWhereTlsIsSpoken) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_connections = 1; });
  Client first(edge.port());
  first.Open();
  test::TlsClient second(edge.tls_port());
  EXPECT_FALSE(second.StartTls());
  EXPECT_THAT(second.error(), HasSubstr("alert internal error"));
  EXPECT_EQ(edge.Metric("parley_c2s_connections_refused_total{told=\"tls-alert\"}"), 1);
}

// Newest last, also where a place comes free just as somebody comes.
TEST_F(EdgeTest, WhoWaitsToLogInComesBeforeWhoComesLater) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unauthenticated = 1; });
  Client first(edge.port());
  first.LogIn();
  Client second(edge.port());
  second.Send(HeaderFor(kHost));
  ASSERT_TRUE(edge.Eventually([&] { return edge.Metric("parley_c2s_limits_total{limit=\"unauthenticated\"}") == 1; }));
  first.Send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
  std::unique_ptr<Client> third;
  ASSERT_TRUE(edge.Eventually([&] {
    if (edge.Metric("parley_c2s_sessions{state=\"bound\"}") == 0) return false;
    third = std::make_unique<Client>(edge.port());
    return true;
  }));
  second.Until("</stream:features>");
  EXPECT_TRUE(edge.Eventually([&] { return edge.Metric("parley_c2s_limits_total{limit=\"unauthenticated\"}") == 2; }));
  second.connection().Close();
  EXPECT_THAT(third->Open(), HasSubstr("starttls"));
}

TEST_F(EdgeTest, WhoHasWaitedTooLongToLogInIsTold) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.max_unauthenticated = 1;
    config.c2s.admission_timeout = std::chrono::milliseconds(100);
  });
  Client first(edge.port());
  first.Open();
  Client second(edge.port());
  second.Send(HeaderFor(kHost));
  EXPECT_EQ(StreamErrorIn(second.Rest()), "resource-constraint");
  EXPECT_TRUE(second.connection().ended_cleanly());
  EXPECT_EQ(edge.Metric("parley_c2s_limits_total{limit=\"admission_time\"}"), 1);
  EXPECT_TRUE(first.Secure());
}

TEST_F(EdgeTest, WhoWaitsToLogInIsToldWhenItStops) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unauthenticated = 1; });
  Client first(edge.port());
  first.Open();
  Client second(edge.port());
  second.Send(HeaderFor(kHost));
  ASSERT_TRUE(edge.Eventually([&] { return edge.Metric("parley_c2s_limits_total{limit=\"unauthenticated\"}") == 1; }));
  edge.OnLoop([&] { edge.edge().Drain([] {}); });
  EXPECT_EQ(StreamErrorIn(second.Rest()), "system-shutdown");
}

TEST_F(EdgeTest, DelaysConnectionsThatComeTooFast) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.connections_per_second_per_address = 10;
    config.c2s.connections_burst_per_address = 1;
  });
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) {
    Client client(edge.port());
    client.Open();
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(250));
}

TEST_F(EdgeTest, StaysUpThroughHalfOpenFloodsAndAbortedTls) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unauthenticated = 50; });
  std::vector<std::unique_ptr<Client>> flood;
  for (int i = 0; i < 49; ++i) flood.push_back(std::make_unique<Client>(edge.port()));
  Client client(edge.port());
  EXPECT_EQ(client.Start(), "romeo@example.org/orchard");
  flood.clear();
  for (int i = 0; i < 20; ++i) {
    Client broken(edge.port());
    broken.Open();
    broken.Send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    broken.Until("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    broken.Send("this is no handshake");
    broken.Rest();
  }
  EXPECT_EQ(client.Sync().find("error"), std::string::npos);
}

}  // namespace
}  // namespace parley::c2s::testing
