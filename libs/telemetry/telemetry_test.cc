#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "libs/base/loop.h"
#include "libs/telemetry/admin.h"
#include "libs/telemetry/metrics.h"

namespace parley::telemetry {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics;
  metrics.Counter("parley_test_total", "Help.", {{"kind", "a"}}).Increment();
  metrics.Counter("parley_test_total", "Help.", {{"kind", "a"}}).Increment();
  metrics.Counter("parley_test_total", "Help.", {{"kind", "b"}}).Increment();
  EXPECT_THAT(metrics.Text(),
              AllOf(HasSubstr("parley_test_total{kind=\"a\"} 2"), HasSubstr("parley_test_total{kind=\"b\"} 1")));
}

TEST(MetricsTest, TalliesAreAddedWhenTheTextIsAskedFor) {
  Metrics metrics;
  auto& counted = metrics.TallyOf(metrics.Counter("parley_test_total", "Help."));
  auto& level = metrics.TallyOf(metrics.Gauge("parley_test_level", "Help."));
  counted.Add();
  level.Add(7);
  EXPECT_THAT(metrics.Text(), AllOf(HasSubstr("parley_test_total 1"), HasSubstr("parley_test_level 7")));
  counted.Add(2);
  level.Add(-3);
  EXPECT_THAT(metrics.Text(), AllOf(HasSubstr("parley_test_total 3"), HasSubstr("parley_test_level 4")));
}

TEST(MetricsTest, TheProcessIsDescribed) {
  Metrics metrics;
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter"));
  EXPECT_THAT(text, ContainsRegex("process_resident_memory_bytes [1-9]"));
  EXPECT_THAT(text, ContainsRegex("process_open_fds [1-9]"));
  EXPECT_THAT(text, ContainsRegex("process_threads [1-9]"));
  EXPECT_THAT(text, ContainsRegex("process_start_time_seconds 1[0-9.e+]+"));
  EXPECT_THAT(text, ContainsRegex("parley_build_info.version=\"[0-9.]+\". 1"));
}

// The loop runs on a thread of its own; each test is an HTTP client that blocks.
class AdminTest : public ::testing::Test {
 protected:
  ~AdminTest() override {
    loop_.Post([this] { loop_.Stop(); });
    thread_.join();
  }

  int Connect() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(admin_.port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  static std::string ReadToEnd(int fd) {
    std::string answer;
    char buffer[4096];
    for (ssize_t size; (size = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(size));
    }
    ::close(fd);
    return answer;
  }

  // The answer to a whole request after which the server closes.
  std::string Ask(const std::string& request) const {
    const int fd = Connect();
    EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    return ReadToEnd(fd);
  }

  std::string Get(const std::string& path) const {
    return Ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  }

  std::string MetricsNow() {
    std::promise<std::string> text;
    loop_.Post([&] { text.set_value(metrics_.Text()); });
    return text.get_future().get();
  }

  Loop loop_;
  Metrics metrics_;
  Admin admin_{loop_, metrics_, "127.0.0.1:0", {.max_connections = 35, .max_header_bytes = 4096}};
  std::thread thread_;

  void Run() {
    thread_ = std::thread([this] { loop_.Run(); });
  }
};

TEST_F(AdminTest, LivezAnswersWhileTheLoopTurns) {
  Run();
  EXPECT_THAT(Get("/livez"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nok\n")));
}

TEST_F(AdminTest, MetricsAreInTextFormatWithTheLoopsLag) {
  Run();
  EXPECT_THAT(Get("/metrics"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: text/plain; version=0.0.4"),
                    HasSubstr("# TYPE parley_loop_lag_seconds histogram")));
}

TEST_F(AdminTest, ReadyzNamesEachConditionThatIsNotMet) {
  admin_.AddReadyCheck("redis", [] { return std::string("not connected"); });
  admin_.AddReadyCheck("routers", [] { return std::string("none is up"); });
  admin_.AddReadyCheck("listeners", [] { return std::string(); });
  Run();
  EXPECT_THAT(Get("/readyz"),
              AllOf(StartsWith("HTTP/1.1 503"), EndsWith("redis: not connected\nrouters: none is up\n")));
}

TEST_F(AdminTest, ReadyzIsFalseFromTheFirstSignal) {
  Run();
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200"));
  loop_.Post([this] { admin_.SetStopping(); });
  EXPECT_THAT(Get("/readyz"), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("stopping")));
}

TEST_F(AdminTest, UnknownPathsAreNotFound) {
  Run();
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 404"));
}

TEST_F(AdminTest, QueriesAreIgnored) {
  Run();
  EXPECT_THAT(Get("/livez?verbose"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminTest, OtherMethodsAreRefused) {
  Run();
  EXPECT_THAT(Ask("DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, HEAD")));
}

TEST_F(AdminTest, HeadHasNoBody) {
  Run();
  EXPECT_THAT(Ask("HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), EndsWith("\r\n\r\n")));
}

TEST_F(AdminTest, AConnectionServesManyRequests) {
  Run();
  const std::string again = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string last = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const std::string answers = Ask(again + again + last);
  EXPECT_EQ(answers.find("HTTP/1.1 200"), 0u);
  EXPECT_THAT(answers.substr(1), ContainsRegex("HTTP/1.1 200(.|\n|\r)*HTTP/1.1 200"));
}

TEST_F(AdminTest, NoiseIsABadRequest) {
  Run();
  EXPECT_THAT(Ask("\x16\x03\x01 nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST_F(AdminTest, GiantHeadersAreRefused) {
  Run();
  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nX: " + std::string(5000, 'x')), StartsWith("HTTP/1.1 431"));
}

TEST_F(AdminTest, IdleConnectionsDoNotKeepOthersOutForLong) {
  Run();
  std::vector<int> idle;
  for (int i = 0; i < 40; ++i) idle.push_back(Connect());
  // The limit is reached once and counted once, however long it lasts.
  while (MetricsNow().find("parley_admin_connections_full_total 1\n") == std::string::npos) std::this_thread::yield();
  for (const int fd : idle) ::close(fd);
  EXPECT_THAT(Get("/livez"), StartsWith("HTTP/1.1 200"));
}

TEST(AdminStartTest, AnAddressInUseIsNamed) {
  Loop loop;
  Metrics metrics;
  const Admin first(loop, metrics, "127.0.0.1:0");
  const std::string same = "127.0.0.1:" + std::to_string(first.port());
  try {
    Admin second(loop, metrics, same, {.key = "c2s.admin"});
    FAIL() << "listened twice";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(same));
    EXPECT_THAT(error.what(), HasSubstr("another process listens there"));
    EXPECT_THAT(error.what(), HasSubstr("--set c2s.admin="));
    EXPECT_THAT(error.what(), Not(HasSubstr(".hpp")));
  }
}

}  // namespace
}  // namespace parley::telemetry
