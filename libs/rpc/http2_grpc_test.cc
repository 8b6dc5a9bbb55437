#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "libs/rpc/server.h"
#include "libs/rpc/testing.h"
#include "libs/rpc/unary_client.h"
#include "parley/accounts/v1/accounts.grpc.pb.h"

// gRPC's own library at the other end: what releases before this one use, and operators' programs.
namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using testing::RunUntil;
namespace pb = accounts::v1;

constexpr char kExists[] = "/parley.accounts.v1.Accounts/Exists";
constexpr std::size_t kMoreThanTheWindow = 20 << 20;

// The library has threads of its own, which may have to wait for a processor.
LinkOptions Patient() {
  LinkOptions options;
  options.keepalive_timeout = 20s;
  return options;
}

// Says whatever name it is asked for back, in its status.
class Accounts final : public pb::Accounts::Service {
  grpc::Status Exists(grpc::ServerContext*, const pb::ExistsRequest* asked, pb::ExistsResponse*) override {
    if (asked->jid() == "romeo@home") return grpc::Status::OK;
    return {grpc::StatusCode::INVALID_ARGUMENT, std::to_string(asked->jid().size()) + " bytes, 50% of \"Zürich\""};
  }
};

class GrpcServerTest : public ::testing::Test {
 protected:
  GrpcServerTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(&accounts_);
    server_ = builder.BuildAndStart();
    UnaryClient::Options options;
    options.discovery.targets = {"127.0.0.1:" + std::to_string(port_)};
    options.link = Patient();
    client_.emplace(loop_, options);
  }
  // It says so, and waits until we have gone.
  void Stop() {
    auto stopping = std::async(std::launch::async, [this] { server_->Shutdown(); });
    RunUntil(loop_, [&] { return stopping.wait_for(0s) == std::future_status::ready; });
    stopping.get();
    server_.reset();
  }
  void Ask(const std::string& method, const std::string& jid) {
    pb::ExistsRequest request;
    request.set_jid(jid);
    client_->Call<pb::ExistsResponse>(method, request, 20s,
                                      [this](Result<pb::ExistsResponse> answer) { answers_.push_back(answer); });
  }
  std::string Outcome(const std::string& method, const std::string& jid) {
    answers_.clear();
    Ask(method, jid);
    RunUntil(loop_, [&] { return answers_.size() == 1; });
    return answers_.empty() ? "none" : answers_[0] ? "" : answers_[0].error().message();
  }

  Loop loop_;
  Accounts accounts_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::optional<UnaryClient> client_;
  std::vector<Result<pb::ExistsResponse>> answers_;
};

TEST_F(GrpcServerTest, AnswersUs) {
  EXPECT_EQ(Outcome(kExists, "romeo@home"), "");
  EXPECT_EQ(Outcome(kExists, "x"), "1 bytes, 50% of \"Zürich\"");
  EXPECT_EQ(Outcome(kExists, std::string(kMoreThanTheWindow, 'x')).substr(0, 14), "20971520 bytes");
  EXPECT_NE(Outcome("/parley.accounts.v1.Accounts/Nothing", "romeo@home"), "");
}

TEST_F(GrpcServerTest, AnswersAThousandCallsAtOnce) {
  constexpr int kCalls = 1000;
  for (int i = 0; i < kCalls; ++i) Ask(kExists, "romeo@home");
  RunUntil(loop_, [&] { return answers_.size() == kCalls; });
  for (const auto& answer : answers_) EXPECT_TRUE(answer);
}

TEST_F(GrpcServerTest, MayGoAndComeBack) {
  EXPECT_EQ(Outcome(kExists, "romeo@home"), "");
  Stop();
  Ask(kExists, "romeo@home");
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::InsecureServerCredentials());
  Accounts again;
  builder.RegisterService(&again);
  const auto later = loop_.After(50ms, [&] { server_ = builder.BuildAndStart(); });
  RunUntil(loop_, [&] { return answers_.size() == 2; });
  EXPECT_TRUE(answers_[1]);
  Stop();
}

class GrpcClientTest : public ::testing::Test {
 protected:
  GrpcClientTest() {
    Methods methods;
    methods.Unary<pb::ExistsRequest, pb::ExistsResponse>(kExists, [this](const auto& asked, auto respond) {
      bytes_ += asked.jid().size();
      asked.jid() == "keep" ? kept_.push_back(std::move(respond)) : respond({});
    });
    server_.emplace(loop_, Self{"roster", "roster-1", "e"}, "127.0.0.1:0", Patient(), std::move(methods), nullptr);
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->port()), grpc::InsecureChannelCredentials());
  }
  // The library waits, so it does on a thread of its own.
  grpc::Status Ask(const std::string& jid, std::chrono::milliseconds timeout = 20s) {
    auto asking = std::async(std::launch::async, [this, jid, timeout] {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + timeout);
      pb::ExistsRequest request;
      pb::ExistsResponse response;
      request.set_jid(jid);
      return pb::Accounts::NewStub(channel_)->Exists(&context, request, &response);
    });
    RunUntil(loop_, [&] { return asking.wait_for(0s) == std::future_status::ready; });
    return asking.get();
  }

  Loop loop_;
  std::size_t bytes_ = 0;
  std::vector<Respond<pb::ExistsResponse>> kept_;
  std::optional<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GrpcClientTest, IsAnswered) {
  EXPECT_TRUE(Ask("romeo@home").ok());
  EXPECT_TRUE(Ask(std::string(kMoreThanTheWindow, 'x')).ok());
  EXPECT_EQ(bytes_, 10 + kMoreThanTheWindow);
}

TEST_F(GrpcClientTest, ItsDeadlineEndsTheCall) {
  EXPECT_EQ(Ask("keep", 100ms).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Ask("romeo@home").ok());
}

TEST_F(GrpcClientTest, IsToldOfMethodsThatAreNotThere) {
  auto asking = std::async(std::launch::async, [this] {
    grpc::ClientContext context;
    pb::DeleteRequest request;
    pb::DeleteResponse response;
    return pb::Accounts::NewStub(channel_)->Delete(&context, request, &response);
  });
  RunUntil(loop_, [&] { return asking.wait_for(0s) == std::future_status::ready; });
  EXPECT_EQ(asking.get().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace parley::rpc
