// Plain connections: reading, writing, ends.
#include "libs/net/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/connection_harness.h"

namespace parley::net::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string Pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

// More than the kernel holds for a connection.
constexpr std::size_t kMoreThanBuffers = 32 << 20;

TEST(ConnectionTest, EchoesBytes) {
  Server server(StartEcho);
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.Send("hello"));
    EXPECT_EQ(client.ReceiveExactly(5), "hello");
  });
  EXPECT_EQ(server.end().connection->address(), "127.0.0.1");
  EXPECT_FALSE(server.end().connection->secure());
  EXPECT_EQ(server.end().connection->tls(), nullptr);
}

TEST(ConnectionTest, CountsBytes) {
  Server server(StartEcho);
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("12345");
    EXPECT_EQ(client.ReceiveExactly(5), "12345");
  });
  EXPECT_EQ(server.end().connection->bytes_in(), 5u);
  EXPECT_EQ(server.end().connection->bytes_out(), 5u);
}

TEST(ConnectionTest, WritesOfOneTurnLeaveTogetherAndDrainOnce) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&end](std::string_view) {
      for (int i = 0; i < 100; ++i) end.connection->Write("x");
      EXPECT_EQ(end.connection->queued(), 100u);
    };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("?");
    EXPECT_EQ(client.ReceiveExactly(100), std::string(100, 'x'));
    EXPECT_TRUE(server.Eventually([&] { return server.end().drained == 1; }));
  });
  EXPECT_EQ(server.end().connection->queued(), 0u);
}

TEST(ConnectionTest, KeepsWhatASlowReaderHasNotTaken) {
  const std::string large = Pattern(kMoreThanBuffers);
  Server server([&](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) { end.connection->Write(large); };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("?");
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end().connection->queued() > 0; }));
    EXPECT_EQ(server.OnLoop([&] { return server.end().drained; }), 0);
    EXPECT_EQ(client.ReceiveExactly(large.size()), large);
    EXPECT_TRUE(server.Eventually([&] { return server.end().drained == 1; }));
  });
}

TEST(ConnectionTest, TakesLargeInputInPieces) {
  const std::string large = Pattern(3 << 20);
  Server server([](ServerEnd& end) { end.connection->Start(); });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send(large);
    EXPECT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end().received.size() == large.size(); }));
  });
  EXPECT_EQ(server.end().received, large);
}

TEST(ConnectionTest, APausedReaderGetsNothingUntilItResumes) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&end](std::string_view) {
      end.connection->PauseReading();
      end.connection->Write("paused");
    };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("one");
    EXPECT_EQ(client.ReceiveExactly(6), "paused");
    client.Send("two");
    // Whatever was to happen about "two" happens before the answer to a second connection.
    TlsClient other(server.port());
    other.Send("?");
    EXPECT_EQ(other.ReceiveExactly(6), "paused");
    EXPECT_EQ(server.OnLoop([&] { return server.end().received; }), "one");
    server.OnLoop([&] { server.end().connection->ResumeReading(); });
    EXPECT_EQ(client.ReceiveExactly(6), "paused");
    EXPECT_EQ(server.OnLoop([&] { return server.end().received; }), "onetwo");
  });
}

TEST(ConnectionTest, CloseSendsWhatIsQueuedAndThenTheEnd) {
  const std::string large = Pattern(kMoreThanBuffers);
  Server server([&](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) {
      end.connection->Write(large);
      end.connection->Close(seconds(10));
      end.connection->Write("too late");
    };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("?");
    EXPECT_EQ(client.ReceiveAll(), large);
    EXPECT_TRUE(client.ended_cleanly());
    EXPECT_EQ(server.OnLoop([&] { return server.end().closed; }), 0);  // our end is still open
    client.Close();
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "closed");
}

TEST(ConnectionTest, CloseDoesNotWaitForAPeerThatDoesNotRead) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) {
      end.connection->Write(Pattern(kMoreThanBuffers));
      end.connection->Close(milliseconds(50));
    };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("?");
    EXPECT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "timeout");
}

TEST(ConnectionTest, CloseDoesNotWaitForAPeerThatNeverEnds) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) { end.connection->Close(milliseconds(50)); };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("?");
    EXPECT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "closed");
}

TEST(ConnectionTest, NothingIsDeliveredAfterClose) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) { end.connection->Close(seconds(10)); };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("last");
    EXPECT_EQ(client.ReceiveAll(), "");
    client.Send("ignored");
    client.Close();
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().received, "last");
}

TEST(ConnectionTest, APeerThatEndsItsSideStillGetsTheAnswer) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) { end.connection->Write("answer"); };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("question");
    client.SendEnd();
    EXPECT_EQ(client.ReceiveAll(), "answer");
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "closed");
}

TEST(ConnectionTest, AResetIsReported) {
  Server server(StartEcho);
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("x");
    client.ReceiveExactly(1);
    client.Reset();
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "reset");
}

TEST(ConnectionTest, AResetIsReportedWhilePaused) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&end](std::string_view) { end.connection->PauseReading(); };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("one");
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end().received == "one"; }));
    client.Send("never read");
    client.Reset();
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "reset");
  EXPECT_EQ(server.end().received, "one");
}

TEST(ConnectionTest, APausedConnectionHearsTheRestOfAPeerThatEndedItsSide) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&end](std::string_view) { end.connection->PauseReading(); };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("one");
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end().received == "one"; }));
    client.Send("two");
    client.SendEnd();
    // Whatever was to happen about the end happens before a second connection is served.
    TlsClient other(server.port());
    other.Send("?");
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 2 && server.end(1).received == "?"; }));
    EXPECT_EQ(server.OnLoop([&] { return server.end().closed; }), 0);
    EXPECT_TRUE(server.OnLoop([&] { return server.end().connection->PeerEnded(); }));
    EXPECT_FALSE(server.OnLoop([&] { return server.end(1).connection->PeerEnded(); }));
    server.OnLoop([&] { server.end().on_bytes = nullptr; });
    server.OnLoop([&] { server.end().connection->ResumeReading(); });
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().received, "onetwo");
}

TEST(ConnectionTest, AFailedWriteIsNotReportedFromInsideWrite) {
  bool inside = false;
  bool reported_inside = false;
  Server server([&](ServerEnd& end) {
    end.on_closed = [&] { reported_inside = inside; };
    end.connection->PauseReading();
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 1; }));
    server.OnLoop([&] {
      client.Reset();
      inside = true;
      server.end().connection->Write("x");  // within the turn, so that the write notices first
      inside = false;
    });
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "reset");
  EXPECT_FALSE(reported_inside);
}

TEST(ConnectionTest, AbortIsReportedLater) {
  Server server([](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) {
      end.connection->Write("lost");
      end.connection->Abort();
      EXPECT_EQ(end.closed, 0);
      end.connection->Write("ignored");
      end.connection->Close(seconds(1));
      end.connection->Abort();
    };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("?");
    EXPECT_EQ(client.ReceiveAll(), "");
    EXPECT_FALSE(client.ended_cleanly());
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().close_reason, "aborted");
}

// Each callback destroys its own connection; the sanitizers watch.
TEST(ConnectionTest, MayBeDestroyedInItsCallbacks) {
  const auto drop_in_bytes = [](ServerEnd& end) { end.on_bytes = [&](std::string_view) { end.connection.reset(); }; };
  const auto drop_in_drained = [](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) { end.connection->Write("x"); };
    end.on_drained = [&] { end.connection.reset(); };
  };
  const auto drop_in_closed = [](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) { end.connection->Close(milliseconds(1)); };
    end.on_closed = [&] { end.connection.reset(); };
  };
  const auto drop_after_abort = [](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) {
      end.connection->Abort();
      end.connection.reset();
    };
  };
  const std::vector<std::function<void(ServerEnd&)>> cases = {drop_in_bytes, drop_in_drained, drop_in_closed,
                                                              drop_after_abort};
  for (const auto& prepare : cases) {
    Server server([&](ServerEnd& end) {
      prepare(end);
      end.connection->Start();
    });
    server.Serve([&] {
      TlsClient client(server.port());
      client.Send("?");
      EXPECT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end().connection == nullptr; }));
    });
    EXPECT_LE(server.end().closed, 1);
  }
}

TEST(ConnectionTest, OneMayDestroyAnotherThatHasQueued) {
  Server server([](ServerEnd& end) { end.connection->Start(); });
  server.Serve([&] {
    TlsClient first(server.port());
    TlsClient second(server.port());
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 2; }));
    server.OnLoop([&] {
      server.end(0).on_drained = [&] { server.end(1).connection.reset(); };
      server.end(0).connection->Write("a");
      server.end(1).connection->Write("b");
    });
    EXPECT_EQ(first.ReceiveExactly(1), "a");
    EXPECT_EQ(second.ReceiveAll(), "");
  });
}

TEST(ConnectionTest, ManyConnectionsAtOnce) {
  constexpr int kConnections = 500;
  Server server(StartEcho);
  server.Serve([&] {
    std::vector<std::unique_ptr<TlsClient>> clients;
    for (int i = 0; i < kConnections; ++i) clients.push_back(std::make_unique<TlsClient>(server.port()));
    for (int i = 0; i < kConnections; ++i) clients[i]->Send("number " + std::to_string(i));
    for (int i = 0; i < kConnections; ++i) {
      const std::string expected = "number " + std::to_string(i);
      EXPECT_EQ(clients[i]->ReceiveExactly(expected.size()), expected);
    }
    clients.clear();
    EXPECT_TRUE(server.Eventually([&] {
      int closed = 0;
      for (std::size_t i = 0; i < server.ends(); ++i) closed += server.end(i).closed;
      return closed == kConnections;
    }));
  });
}

TEST(ConnectionTest, MayOutliveTheRunOfTheLoop) {
  Server server(StartEcho);
  auto client = std::make_unique<TlsClient>(server.port());
  server.Serve([&] {
    client->Send("x");
    client->ReceiveExactly(1);
    server.OnLoop([&] {
      server.end().connection->Write("never sent");
      server.loop().Stop();
    });
  });
}

}  // namespace
}  // namespace parley::net::test
