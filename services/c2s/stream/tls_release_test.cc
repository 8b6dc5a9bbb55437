// What becomes of a client's TLS once it has bound a resource (Connection::ReleaseTls).
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace parley::c2s::testing
