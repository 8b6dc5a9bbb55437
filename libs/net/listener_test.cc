#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libs/net/connection_harness.h"

namespace parley::net::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ErrorOf(const std::string& listen) {
  Loop loop;
  try {
    const Listener listener(loop, listen, [](int fd, std::string) { ::close(fd); });
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

// The address under which a listener on `listen` sees a client that connects to `to`.
std::string SeenAs(const std::string& listen, const std::string& to) {
  Loop loop;
  std::string seen;
  Listener listener(loop, listen, [&](int fd, std::string address) {
    ::close(fd);
    seen = address;
    loop.Stop();
  });
  const TlsClient client(listener.port(), to);
  loop.Run();
  return seen;
}

TEST(ListenerTest, ListensOnBothFamilies) {
  EXPECT_EQ(SeenAs("127.0.0.1:0", "127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(SeenAs("localhost:0", "127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(SeenAs("[::]:0", "::1"), "::1");
  EXPECT_EQ(SeenAs("[::1]:0", "::1"), "::1");
  EXPECT_EQ(SeenAs("*:0", "::1"), "::1");
  EXPECT_EQ(SeenAs("*:0", "127.0.0.1"), "127.0.0.1");
}

TEST(ListenerTest, TheSamePortOnBothFamilies) {
  Loop loop;
  const auto drop = [](int fd, std::string) { ::close(fd); };
  const Listener v4(loop, "0.0.0.0:0", drop);
  const Listener v6(loop, "[::]:" + std::to_string(v4.port()), drop);
  EXPECT_EQ(v4.port(), v6.port());
}

TEST(ListenerTest, ErrorsNameTheAddress) {
  Loop loop;
  const Listener taken(loop, "127.0.0.1:0", [](int fd, std::string) { ::close(fd); });
  const std::string same = "127.0.0.1:" + std::to_string(taken.port());
  EXPECT_THAT(ErrorOf(same), AllOf(HasSubstr(same), HasSubstr("another process")));
  EXPECT_THAT(ErrorOf("5222"), AllOf(HasSubstr("\"5222\""), HasSubstr("host:port")));
  EXPECT_THAT(ErrorOf("127.0.0.1:xmpp-client-of-mine"), HasSubstr("xmpp-client-of-mine"));
  EXPECT_THAT(ErrorOf("192.0.2.1:0"), HasSubstr("no interface"));
}

TEST(ListenerTest, StopsInsideItsCallback) {
  Loop loop;
  int accepted = 0;
  std::unique_ptr<Listener> listener;
  listener = std::make_unique<Listener>(loop, "127.0.0.1:0", [&](int fd, std::string) {
    ::close(fd);
    ++accepted;
    listener->Stop();
    loop.Post([&] { loop.Stop(); });
  });
  const TlsClient first(listener->port());
  const TlsClient second(listener->port());
  loop.Run();
  EXPECT_EQ(accepted, 1);
}

int OptionOf(int fd, int level, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

TEST(ListenerTest, ConnectionsTimeOut) {
  Loop loop;
  int fd = -1;
  const auto take = [&](int taken, std::string) {
    fd = taken;
    loop.Stop();
  };
  const Listener listener(loop, "127.0.0.1:0", take, {.tcp_timeout = std::chrono::seconds(90)});
  const TlsClient client(listener.port());
  loop.Run();
  EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 90000);
  EXPECT_EQ(OptionOf(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
  EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
  ::close(fd);
}

TEST(ListenerTest, CountsFullBatches) {
  Loop loop;
  int accepted = 0;
  const auto drop = [&](int fd, std::string) {
    ::close(fd);
    if (++accepted == 5) loop.Stop();
  };
  const Listener listener(loop, "127.0.0.1:0", drop, {.accept_batch = 2});
  std::vector<std::unique_ptr<TlsClient>> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(std::make_unique<TlsClient>(listener.port()));
  loop.Run();
  EXPECT_EQ(listener.full_batches(), 2u);
}

// Lowers the limit of descriptors for one test.
class DescriptorLimit {
 public:
  DescriptorLimit() { getrlimit(RLIMIT_NOFILE, &old_); }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &old_); }
  void LeaveFree(int count) {
    const int next = ::open("/dev/null", O_RDONLY);
    ::close(next);
    rlimit lower = old_;
    lower.rlim_cur = static_cast<rlim_t>(next + count);
    setrlimit(RLIMIT_NOFILE, &lower);
  }

 private:
  rlimit old_{};
};

TEST(ListenerTest, PausesWithoutDescriptorsAndResumes) {
  Server server(StartEcho);
  DescriptorLimit limit;
  std::vector<std::unique_ptr<TlsClient>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<TlsClient>(server.port()));
  limit.LeaveFree(4);
  server.Serve([&] {
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 4; }));
    // One that found no descriptor was turned away.
    EXPECT_EQ(clients[4]->ReceiveAll(), "");
    server.OnLoop([&] {
      for (std::size_t i = 0; i < 4; ++i) server.end(i).connection.reset();
    });
    // One of those that waited in the backlog meanwhile.
    EXPECT_TRUE(server.Eventually([&] { return server.ends() > 4; }));
    clients[7]->Send("served");
    EXPECT_EQ(clients[7]->ReceiveExactly(6), "served");
  });
}

}  // namespace
}  // namespace parley::net::test
