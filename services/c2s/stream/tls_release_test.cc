// What becomes of a client's TLS once it has bound a resource (Connection::ReleaseTls).
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

// As the edge's gauge says.
double Released(EdgeHarness& edge) {
  return edge.OnLoop([&] {
    edge.edge().Measure();
    return edge.Metric("parley_c2s_connections_tls_released");
  });
}

TEST(TlsReleaseTest, GoesOnWithoutOpenSslOnceAResourceIsBound) {
  EdgeHarness edge;
  Client client(edge.port());
  client.LogIn();
  EXPECT_EQ(Released(edge), 0);
  client.Bind();
  EXPECT_EQ(Released(edge), 1);
}

TEST(TlsReleaseTest, StaysWithOpenSslIfThatIsConfigured) {
  EdgeHarness edge([](config::Config& config) { config.c2s.tls_release = false; });
  Client client(edge.port());
  client.Start();
  EXPECT_EQ(Released(edge), 0);
}

// Records without data: new keys, again and again.
void ChangeKeys(Client& client, int times) {
  SSL* const ssl = client.connection().ssl();
  for (int i = 0; i < times; ++i) {
    ASSERT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(ssl), 1);
  }
}

TEST(TlsReleaseTest, RecordsWithoutDataAreLimited) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_tls_records_without_data = 3; });
  Client client(edge.port());
  client.Start();
  ChangeKeys(client, 3);
  client.Sync();
  ChangeKeys(client, 4);
  EXPECT_EQ(client.Rest(), "");
  EXPECT_EQ(edge.Metric("parley_c2s_limits_total{limit=\"tls_records\"}"), 1);
}

}  // namespace
}  // namespace parley::c2s::testing
