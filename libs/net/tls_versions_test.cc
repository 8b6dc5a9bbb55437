// What both versions of TLS do alike, also once OpenSSL is gone (Connection::ReleaseTls), and when it goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <vector>

#include "libs/net/tls.h"
#include "libs/net/tls_harness.h"

namespace parley::net::test {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

// A version, and whether the server's connections are released as soon as they may be.
struct Kind {
  std::string name;
  int version;
  std::string suites;  // the server's
  bool released;

  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

class TlsVersionTest : public TlsTest, public ::testing::WithParamInterface<Kind> {
 protected:
  TlsOptions Options() const { return {.cipher_suites = GetParam().suites}; }
  TlsClientOptions Client() const { return {.version = GetParam().version}; }

  // Starts TLS at `end`, and releases it when it is secured.
  void Secure(ServerEnd& end, const TlsContexts& contexts) {
    if (GetParam().released) end.on_secured = [&end] { end.connection->ReleaseTls(); };
    end.connection->Start();
    end.connection->StartTls(contexts, "");
  }
  std::function<void(ServerEnd&)> Echoing(const TlsContexts& contexts) {
    return [this, &contexts](ServerEnd& end) {
      end.on_bytes = [&end](std::string_view bytes) { end.connection->Write(bytes); };
      Secure(end, contexts);
    };
  }
};

TEST_P(TlsVersionTest, ServesAndBindsChannels) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  Server server(Echoing(contexts));
  std::string exporter;
  std::string end_point;
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client())) << client.error();
    exporter = client.exporter();
    end_point = client.end_point();
    EXPECT_EQ(Echo(client, "hello"), "hello");
  });
  EXPECT_EQ(server.end().tls.version, GetParam().version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
  EXPECT_TRUE(server.end().tls.exports);
  EXPECT_EQ(server.end().exporter.size(), 32u);
  EXPECT_EQ(server.end().exporter, exporter);
  EXPECT_EQ(server.end().tls.end_point, end_point);
}

TEST_P(TlsVersionTest, ResumesByTicketAlsoAfterReload) {
  const TlsHost host = hosts_.Add("example.org");
  TlsContexts contexts({hosts_.Add("first.example"), host}, Options());
  Server server(Echoing(contexts));
  std::shared_ptr<SSL_SESSION> session;
  server.Serve([&] {
    {
      TlsClient client(server.port());
      ASSERT_TRUE(client.StartTls({.sni = "example.org", .version = GetParam().version})) << client.error();
      Echo(client, "x");
      session = client.session();
      client.SendEnd();  // OpenSSL forgets the sessions of connections that were cut off
      client.ReceiveAll();
    }
    hosts_.Renew("example.org", "renewed");
    EXPECT_THAT(server.OnLoop([&] { return contexts.Reload(); }), ElementsAre("example.org"));
    TlsClient again(server.port());
    ASSERT_TRUE(again.StartTls({.sni = "example.org", .version = GetParam().version, .resume = session.get()}))
        << again.error();
    EXPECT_TRUE(again.resumed());
    EXPECT_EQ(Echo(again, "y"), "y");
  });
  EXPECT_FALSE(server.end(0).tls.resumed);
  EXPECT_TRUE(server.end(1).tls.resumed);
  EXPECT_NE(server.end(0).exporter, server.end(1).exporter);
}

TEST_P(TlsVersionTest, ATicketOfOneHostIsNotValidAtAnother) {
  const TlsContexts contexts({hosts_.Add("one.example"), hosts_.Add("two.example")}, Options());
  Server server(Echoing(contexts));
  server.Serve([&] {
    std::shared_ptr<SSL_SESSION> session;
    {
      TlsClient client(server.port());
      ASSERT_TRUE(client.StartTls({.sni = "one.example", .version = GetParam().version}));
      Echo(client, "x");
      session = client.session();
      client.SendEnd();
      client.ReceiveAll();
    }
    TlsClient other(server.port());
    ASSERT_TRUE(other.StartTls({.sni = "two.example", .version = GetParam().version, .resume = session.get()}))
        << other.error();
    EXPECT_FALSE(other.resumed());
    EXPECT_EQ(other.common_name(), "two.example");
  });
}

TEST_P(TlsVersionTest, LargeWritesToASlowReader) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  std::string large(32 << 20, '\0');  // more than the kernel holds for a connection
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 + i / 255);
  Server server([&](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) {
      end.connection->Write(large);
      // More while a record is half sent.
      end.on_bytes = [&](std::string_view bytes) { end.connection->Write(bytes); };
    };
    Secure(end, contexts);
  });
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client())) << client.error();
    client.Send("?");
    ASSERT_TRUE(server.Eventually([&] { return server.end().connection->queued() > 0; }));
    client.Send("and more");
    ASSERT_TRUE(server.Eventually([&] { return server.end().received == "?and more"; }));
    EXPECT_EQ(client.ReceiveExactly(large.size() + 8), large + "and more");
    EXPECT_TRUE(server.Eventually([&] { return server.end().drained == 1; }));
  });
}

TEST_P(TlsVersionTest, LargeInputInManyRecords) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  Server server([&](ServerEnd& end) { Secure(end, contexts); });
  const std::string large(3 << 20, 'x');
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client())) << client.error();
    client.Send(large);
    for (int i = 0; i < 1000; ++i) client.Send("small");
    EXPECT_TRUE(server.Eventually([&] { return server.end().received.size() == large.size() + 5000; }));
  });
}

// The second record is inside OpenSSL, decrypted or not, when the reader pauses: no readiness will tell of it.
TEST_P(TlsVersionTest, ResumedReadingGetsWhatOpenSslHolds) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  Server server([&](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) { end.connection->PauseReading(); };
    Secure(end, contexts);
  });
  const std::string large(200000, 'x');
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client())) << client.error();
    client.Send(large);
    std::size_t seen = 0;
    while (seen < large.size()) {
      const std::size_t before = seen;
      ASSERT_TRUE(server.Eventually([&] { return server.end().received.size() > before; })) << "stuck at " << before;
      seen = server.OnLoop([&] {
        const std::size_t now = server.end().received.size();
        server.end().connection->ResumeReading();
        return now;
      });
    }
  });
}

TEST_P(TlsVersionTest, CloseSendsQueueCloseNotifyAndEnd) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  const std::string large(1 << 20, 'x');
  Server server([&](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) {
      end.connection->Write(large);
      end.connection->Close(seconds(10));
    };
    Secure(end, contexts);
  });
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client())) << client.error();
    client.Send("?");
    EXPECT_EQ(client.ReceiveAll().size(), large.size());
    EXPECT_TRUE(client.ended_cleanly());
    client.SendEnd();
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "closed");
}

TEST_P(TlsVersionTest, AnEndWithoutCloseNotifyIsAnEnd) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  Server server(Echoing(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client())) << client.error();
    Echo(client, "x");
    client.Close();
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "closed");
}

TEST_P(TlsVersionTest, CloseNotifyAloneIsAnsweredAndEnds) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  Server server(Echoing(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client())) << client.error();
    EXPECT_EQ(Echo(client, "x"), "x");
    client.SendCloseNotify();
    EXPECT_EQ(client.ReceiveAll(), "");
    EXPECT_TRUE(client.ended_cleanly());
    client.Close();
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
}

TEST_P(TlsVersionTest, IsReleasedOnlyWhereItMayBe) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  Server server(Echoing(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client()));
    EXPECT_EQ(Echo(client, "x"), "x");
    EXPECT_EQ(server.OnLoop([&] { return server.end().connection->tls_released(); }),
              GetParam().released && GetParam().version == TLS1_3_VERSION);
  });
}

class TlsKeyUpdateTest : public TlsVersionTest {};

TEST_P(TlsKeyUpdateTest, IsAnswered) {
  const TlsContexts contexts({hosts_.Add("example.org")}, Options());
  Server server(Echoing(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls(Client()));
    EXPECT_EQ(Echo(client, "first keys"), "first keys");
    for (const int kind : {SSL_KEY_UPDATE_REQUESTED, SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
      ASSERT_EQ(SSL_key_update(client.ssl(), kind), 1);
      EXPECT_EQ(Echo(client, "new keys"), "new keys");
      EXPECT_EQ(Echo(client, "and again"), "and again");
    }
  });
}

const std::vector<Kind> kOldKinds = {{"Tls12", TLS1_2_VERSION, "", false}, {"Tls12Released", TLS1_2_VERSION, "", true}};
const std::vector<Kind> kNewKinds = {{"Tls13", TLS1_3_VERSION, "", false},
                                     {"Aes128Released", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", true},
                                     {"Aes256Released", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", true},
                                     {"ChachaReleased", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", true}};

std::string NameOf(const ::testing::TestParamInfo<Kind>& kind) { return kind.param.name; }

INSTANTIATE_TEST_SUITE_P(Old, TlsVersionTest, ::testing::ValuesIn(kOldKinds), NameOf);
INSTANTIATE_TEST_SUITE_P(New, TlsVersionTest, ::testing::ValuesIn(kNewKinds), NameOf);
INSTANTIATE_TEST_SUITE_P(New, TlsKeyUpdateTest, ::testing::ValuesIn(kNewKinds), NameOf);

// OpenSSL has read ahead when the release is asked for, and half a record leaves at that moment: it goes later.
TEST_F(TlsTest, IsReleasedBetweenRecords) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  const std::string large(32 << 20, 'x');
  Server server([&](ServerEnd& end) {
    end.on_bytes = [&](std::string_view bytes) {
      if (!bytes.starts_with("?")) return;
      end.connection->Write(large);
      end.connection->PauseReading();
    };
    end.connection->Start();
    end.connection->StartTls(contexts, "");
  });
  server.Serve([&] {
    TlsClient client(server.port());
    const int little = 65536;  // else the kernel may hold all for it
    ASSERT_EQ(::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
    ASSERT_TRUE(client.StartTls());
    client.Send("?");
    ASSERT_TRUE(server.Eventually([&] { return server.end().connection->bytes_out() > 1 << 20; }));
    for (int i = 0; i < 1000; ++i) client.Send("small");
    const auto release = [&] {
      server.end().connection->ReleaseTls();
      server.end().connection->ResumeReading();
      return server.end().connection->tls_released();
    };
    EXPECT_FALSE(server.OnLoop(release));
    EXPECT_EQ(client.ReceiveExactly(large.size()), large);
    EXPECT_TRUE(server.Eventually([&] { return server.end().received.size() == 1 + 5000; }));
    EXPECT_EQ(Echo(client, "?").size(), 1u);  // wakes the reader once more
    EXPECT_TRUE(server.OnLoop([&] { return server.end().connection->tls_released(); }));
  });
}

TEST_F(TlsTest, IsNotReleasedAfterAKeyUpdate) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls());
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    EXPECT_EQ(Echo(client, "x"), "x");
    server.OnLoop([&] { server.end().connection->ReleaseTls(); });
    EXPECT_EQ(Echo(client, "y"), "y");
    EXPECT_FALSE(server.OnLoop([&] { return server.end().connection->tls_released(); }));
  });
}

TEST_F(TlsTest, IsNotReleasedIfThatIsOff) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {.release = false});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls());
    EXPECT_EQ(Echo(client, "x"), "x");
    server.OnLoop([&] { server.end().connection->ReleaseTls(); });
    EXPECT_EQ(Echo(client, "y"), "y");
    EXPECT_FALSE(server.OnLoop([&] { return server.end().connection->tls_released(); }));
  });
}

TEST_F(TlsTest, InfoCanBeForgotten) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls());
    server.Eventually([&] { return server.end().secured == 1; });
    EXPECT_NE(server.OnLoop([&] { return server.end().connection->tls(); }), nullptr);
    server.OnLoop([&] { server.end().connection->ReleaseTls(); });
    EXPECT_EQ(server.OnLoop([&] { return server.end().connection->tls(); }), nullptr);
    EXPECT_EQ(Echo(client, "x"), "x");
  });
}

}  // namespace
}  // namespace parley::net::test
