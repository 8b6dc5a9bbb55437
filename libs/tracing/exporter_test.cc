// The exporter against a collector on a real socket: one that works, and those that operators meet.
#include "libs/tracing/exporter.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

namespace parley::tracing {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string Http(const std::string& status, const std::string& body = "{}") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// Takes one request at a time, and gives the answer that it was told last.
class Collector {
 public:
  Collector() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    socklen_t size = sizeof address;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { Serve(); });
  }
  ~Collector() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
    for (const int fd : silent_) ::close(fd);
  }

  const std::string& url() const { return url_; }
  // Empty: none at all, while the connection stays.
  void Answer(const std::string& answer) {
    std::lock_guard lock(mutex_);
    answer_ = answer;
  }
  std::vector<std::string> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  // Names of the spans that came, by request.
  std::vector<std::vector<std::string>> spans() {
    std::vector<std::vector<std::string>> all;
    for (const auto& request : requests()) {
      auto& names = all.emplace_back();
      const auto body = nlohmann::json::parse(request.substr(request.find("\r\n\r\n")));
      for (const auto& span : body["resourceSpans"][0]["scopeSpans"][0]["spans"]) names.push_back(span["name"]);
    }
    return all;
  }

 private:
  void Serve() {
    for (int fd; (fd = ::accept(socket_, nullptr, nullptr)) >= 0;) {
      std::string request = Read(fd);
      std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
      if (answer_.empty()) {
        silent_.push_back(fd);
        continue;
      }
      EXPECT_EQ(::send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer_.size()));
      ::close(fd);
    }
  }

  static std::string Read(int fd) {
    std::string request;
    std::size_t missing = 1;
    while (missing > 0) {
      char buffer[4096];
      const auto count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      request.append(buffer, static_cast<std::size_t>(count));
      const auto head = request.find("\r\n\r\n");
      const auto length = request.find("Content-Length: ");
      if (head == std::string::npos || length == std::string::npos) continue;
      missing = head + 4 + std::stoul(request.substr(length + 16)) - request.size();
    }
    return request;
  }

  int socket_;
  std::string url_;
  std::thread thread_;
  std::mutex mutex_;
  std::string answer_ = Http("200 OK");
  std::vector<std::string> requests_;
  std::vector<int> silent_;
};

class ExporterTest : public ::testing::Test {
 protected:
  ExporterTest() {
    options_.endpoint = collector_.url();
    options_.interval = 10ms;
  }
  ~ExporterTest() override {
    if (exporter_) exporter_->Stop();
  }

  void Start() { exporter_ = Exporter::Start(options_, {"c2s", "c2s-1"}, ExporterMetrics(metrics_)); }
  void Push(const std::string& name) {
    SpanRecord span;
    span.context = Context::Root();
    span.name = name;
    exporter_->Push(std::move(span));
  }
  double Spans(const std::string& outcome) {
    return Metric("parley_tracing_spans_total{outcome=\"" + outcome + "\"} ");
  }
  double Metric(const std::string& start) {
    const std::string text = metrics_.Text();
    const auto at = text.find("\n" + start);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + start.size() + 1));
  }
  template <class Condition>
  static bool Eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

  Collector collector_;
  telemetry::Metrics metrics_;
  Options options_;
  std::shared_ptr<Exporter> exporter_;
};

TEST_F(ExporterTest, PostsToTheCollector) {
  Start();
  Push("receive message");
  ASSERT_TRUE(Eventually([this] { return Spans("exported") == 1; }));
  EXPECT_THAT(collector_.spans(), ElementsAre(ElementsAre("receive message")));
  const std::string request = collector_.requests().at(0);
  EXPECT_THAT(request, StartsWith("POST /v1/traces HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_EQ(Metric("parley_tracing_export_seconds_count "), 1);
}

TEST_F(ExporterTest, GathersWhatComesBetweenTwoRequests) {
  options_.interval = 60s;
  options_.batch = 3;
  Start();
  for (const char* name : {"a", "b", "c"}) Push(name);
  ASSERT_TRUE(Eventually([this] { return Spans("exported") == 3; }));
  EXPECT_THAT(collector_.spans(), ElementsAre(ElementsAre("a", "b", "c")));
}

TEST_F(ExporterTest, ARequestHasNoMoreThanABatch) {
  options_.batch = 2;
  Start();
  for (int i = 0; i < 7; ++i) Push(std::to_string(i));
  ASSERT_TRUE(Eventually([this] { return Spans("exported") == 7; }));
  EXPECT_THAT(collector_.spans(), Each(SizeIs(Le(2u))));
}

TEST_F(ExporterTest, BehindACollectorThatHangsTheQueueIsBounded) {
  options_.timeout = 60s;
  options_.max_queue = 4;
  collector_.Answer("");
  Start();
  Push("hangs");
  ASSERT_TRUE(Eventually([this] { return collector_.requests().size() == 1; }));
  for (int i = 0; i < 10; ++i) Push("waits");
  EXPECT_EQ(Metric("parley_tracing_queued_spans "), 4);
  EXPECT_EQ(Spans("queue_full"), 6);
}

TEST_F(ExporterTest, GivesUpOnACollectorThatHangsAndGoesOnWhenItIsBack) {
  options_.timeout = 20ms;
  collector_.Answer("");
  Start();
  Push("lost");
  ASSERT_TRUE(Eventually([this] { return Spans("timeout") == 1; }));
  collector_.Answer(Http("200 OK"));
  // Under load an answer may take longer than that, too.
  ASSERT_TRUE(Eventually([this] {
    Push("comes");
    return Spans("exported") >= 1;
  }));
}

TEST_F(ExporterTest, CountsWhatCannotBeSent) {
  options_.endpoint = "http://127.0.0.1:1";
  Start();
  Push("lost");
  EXPECT_TRUE(Eventually([this] { return Spans("failed") == 1; }));
}

TEST_F(ExporterTest, CountsWhatCannotBeResolved) {
  options_.endpoint = "http://no-such-host.invalid:4318";
  Start();
  Push("lost");
  EXPECT_TRUE(Eventually([this] { return Spans("failed") == 1; }));
}

TEST_F(ExporterTest, CountsErrorsOfTheCollectorAndWhatIsNoAnswer) {
  Start();
  double expected = 0;
  for (const std::string& answer :
       {Http("503 Service Unavailable"), Http("204 No Content", ""), std::string("what?")}) {
    collector_.Answer(answer);
    Push("lost");
    ++expected;
    EXPECT_TRUE(Eventually([&] { return Spans("failed") == expected; })) << answer;
  }
  EXPECT_EQ(Spans("exported"), 0);
}

TEST_F(ExporterTest, CountsWhatTheCollectorRejects) {
  options_.interval = 60s;
  options_.batch = 3;
  collector_.Answer(Http("200 OK", R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}})"));
  Start();
  for (int i = 0; i < 3; ++i) Push("span");
  EXPECT_TRUE(Eventually([this] { return Spans("rejected") == 2 && Spans("exported") == 1; }));
}

TEST_F(ExporterTest, SendsTheRestAtTheEnd) {
  options_.interval = 60s;
  options_.stop_timeout = 10s;
  Start();
  Push("a");
  Push("b");
  exporter_->Stop();
  EXPECT_THAT(collector_.spans(), ElementsAre(ElementsAre("a", "b")));
  Push("late");
  EXPECT_EQ(Metric("parley_tracing_queued_spans "), 0);
}

TEST_F(ExporterTest, TheEndDoesNotWaitForACollectorThatHangs) {
  options_.timeout = 10min;
  options_.stop_timeout = 10ms;
  collector_.Answer("");
  Start();
  Push("hangs");
  ASSERT_TRUE(Eventually([this] { return collector_.requests().size() == 1; }));
  Push("waits");
  exporter_->Stop();  // or the test takes ten minutes
}

TEST(EndpointTest, IsAnHttpUrl) {
  const auto parts = [](const std::string& url) {
    const auto endpoint = Endpoint::Parse(url);
    return endpoint ? endpoint->host + " " + endpoint->port + " " + endpoint->path : "none";
  };
  EXPECT_EQ(parts("http://collector"), "collector 4318 /v1/traces");
  EXPECT_EQ(parts("http://collector:80/"), "collector 80 /v1/traces");
  EXPECT_EQ(parts("http://collector:80/otlp/v1/traces"), "collector 80 /otlp/v1/traces");
  EXPECT_EQ(parts("http://[2001:db8::1]:4318"), "2001:db8::1 4318 /v1/traces");
  EXPECT_EQ(parts("http://[::1]"), "::1 4318 /v1/traces");
  for (const char* wrong : {"", "collector:4318", "https://collector:4318", "http://", "http://:4318",
                            "http://a:", "http://a:b", "http://a b", "http://user@a", "http://a/\r\nX: y"}) {
    EXPECT_EQ(parts(wrong), "none") << wrong;
  }
}

}  // namespace
}  // namespace parley::tracing
