#include "libs/rpc/methods.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/rpc/server.h"
#include "libs/rpc/testing.h"
#include "libs/rpc/unary_client.h"
#include "libs/telemetry/metrics.h"
#include "parley/accounts/v1/accounts.grpc.pb.h"
#include "parley/admin/v1/admin.grpc.pb.h"

// Debian's gRPC is not built for ThreadSanitizer, which does not see how its threads hand over what they free. Not
// "race:", which symbolizes each report that matches: tests ran into their time-outs for that.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libgrpc.so\n"
         "called_from_lib:libgrpc++.so\n"
         "called_from_lib:libgpr.so\n"
         "called_from_lib:libupb.so\n"
         "called_from_lib:libabsl_cord.so\n"
         "called_from_lib:libabsl_cord_internal.so\n"
         "called_from_lib:libabsl_graphcycles_internal.so\n"
         "called_from_lib:libabsl_status.so\n"
         "called_from_lib:libabsl_strings.so\n"
         "called_from_lib:libabsl_synchronization.so\n"
         "called_from_lib:libabsl_time_zone.so\n";
}

namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using testing::RunFor;
using testing::RunUntil;

// Methods of all three kinds, asked by gRPC's own generated stubs on a thread beside the loop.
class MethodsTest : public ::testing::Test {
 protected:
  MethodsTest() {
    Methods methods;
    methods.Unary<accounts::v1::ExistsRequest, accounts::v1::ExistsResponse>(
        "/parley.accounts.v1.Accounts/Exists", [this](const auto& request, auto respond) {
          EXPECT_TRUE(loop_.on_thread());
          accounts::v1::ExistsResponse response;
          response.set_exists(request.jid() == "romeo@home");
          hold_ ? held_.push_back([respond, response] { respond(response); }) : respond(response);
        });
    methods.Listing<admin::v1::ListSessionsRequest, admin::v1::SessionRow>(
        "/parley.admin.v1.Admin/ListSessions", [this](const auto& request, auto writer) {
          for (std::uint32_t i = 0; i < request.limit(); ++i) {
            admin::v1::SessionRow row;
            row.set_account(std::to_string(i));
            if (!writer.Write(row)) ++rows_refused_;
          }
          request.domain() == "fails" ? writer.Fail("no more") : writer.Finish();
        });
    methods.Conversation<accounts::v1::ImportRequest, accounts::v1::ImportProgress>(
        "/parley.accounts.v1.Accounts/Import", [] {
          return [total = 0](const auto& request, auto respond) mutable {
            accounts::v1::ImportProgress progress;
            progress.set_created(total += request.accounts_size());
            respond(progress);
          };
        });
    LinkOptions options;
    options.metrics = &metrics_;
    server_ = std::make_unique<Server>(loop_, Self{"roster", "roster-1", "e"}, "127.0.0.1:0", options,
                                       std::move(methods), nullptr);
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->port()), grpc::InsecureChannelCredentials());
  }

  // Turns the loop while `ask` blocks on another thread.
  void WhileTurning(const std::function<void()>& ask) {
    std::atomic<bool> done = false;
    std::thread thread([&] {
      ask();
      done = true;
    });
    RunUntil(loop_, [&] { return done.load(); });
    thread.join();
  }

  Loop loop_;
  telemetry::Metrics metrics_;
  bool hold_ = false;
  std::vector<std::function<void()>> held_;
  int rows_refused_ = 0;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(MethodsTest, UnaryIsAnswered) {
  WhileTurning([&] {
    auto stub = accounts::v1::Accounts::NewStub(channel_);
    for (const char* jid : {"romeo@home", "nobody@home"}) {
      grpc::ClientContext context;
      accounts::v1::ExistsRequest request;
      accounts::v1::ExistsResponse response;
      request.set_jid(jid);
      EXPECT_TRUE(stub->Exists(&context, request, &response).ok());
      EXPECT_EQ(response.exists(), request.jid() == "romeo@home");
    }
  });
}

TEST_F(MethodsTest, CallsAreCounted) {
  WhileTurning([&] {
    auto accounts = accounts::v1::Accounts::NewStub(channel_);
    grpc::ClientContext context;
    accounts::v1::ExistsResponse response;
    EXPECT_TRUE(accounts->Exists(&context, accounts::v1::ExistsRequest(), &response).ok());
    auto admin = admin::v1::Admin::NewStub(channel_);
    grpc::ClientContext failing;
    admin::v1::ListSessionsRequest request;
    request.set_domain("fails");
    auto rows = admin->ListSessions(&failing, request);
    for (admin::v1::SessionRow row; rows->Read(&row);) continue;
    EXPECT_FALSE(rows->Finish().ok());
  });
  const std::string text = metrics_.Text();
  for (const char* line : {"parley_rpc_calls_total{method=\"Exists\",outcome=\"answered\"} 1",
                           "parley_rpc_call_seconds_count{method=\"Exists\"} 1",
                           "parley_rpc_calls_total{method=\"ListSessions\",outcome=\"failed\"} 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in\n" << text;
  }
}

TEST_F(MethodsTest, UnknownMethodIsUnimplemented) {
  WhileTurning([&] {
    auto stub = accounts::v1::Accounts::NewStub(channel_);
    grpc::ClientContext context;
    accounts::v1::DeleteResponse response;
    const auto status = stub->Delete(&context, accounts::v1::DeleteRequest(), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  });
}

TEST_F(MethodsTest, ListingSendsAllRowsInOrder) {
  WhileTurning([&] {
    auto stub = admin::v1::Admin::NewStub(channel_);
    grpc::ClientContext context;
    admin::v1::ListSessionsRequest request;
    request.set_limit(1000);
    auto reader = stub->ListSessions(&context, request);
    admin::v1::SessionRow row;
    std::uint32_t rows = 0;
    while (reader->Read(&row)) EXPECT_EQ(row.account(), std::to_string(rows++));
    EXPECT_EQ(rows, 1000u);
    EXPECT_TRUE(reader->Finish().ok());
  });
}

TEST_F(MethodsTest, ListingMayFailAfterRows) {
  WhileTurning([&] {
    auto stub = admin::v1::Admin::NewStub(channel_);
    grpc::ClientContext context;
    admin::v1::ListSessionsRequest request;
    request.set_limit(2);
    request.set_domain("fails");
    auto reader = stub->ListSessions(&context, request);
    admin::v1::SessionRow row;
    int rows = 0;
    while (reader->Read(&row)) ++rows;
    const auto status = reader->Finish();
    EXPECT_EQ(rows, 2);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(status.error_message(), "no more");
  });
}

TEST_F(MethodsTest, ConversationAnswersEachMessageAndKeepsItsState) {
  WhileTurning([&] {
    auto stub = accounts::v1::Accounts::NewStub(channel_);
    for (int call = 0; call < 2; ++call) {
      grpc::ClientContext context;
      auto stream = stub->Import(&context);
      accounts::v1::ImportRequest request;
      request.add_accounts()->set_jid("a");
      request.add_accounts()->set_jid("b");
      accounts::v1::ImportProgress progress;
      for (std::uint64_t i = 1; i <= 3; ++i) {
        EXPECT_TRUE(stream->Write(request));
        ASSERT_TRUE(stream->Read(&progress));
        EXPECT_EQ(progress.created(), 2 * i);
      }
      stream->WritesDone();
      EXPECT_FALSE(stream->Read(&progress));
      EXPECT_TRUE(stream->Finish().ok());
    }
  });
}

TEST_F(MethodsTest, CallWithoutARequestFails) {
  WhileTurning([&] {
    auto stub = accounts::v1::Accounts::NewStub(channel_);
    grpc::ClientContext context;
    auto stream = stub->Import(&context);
    stream->WritesDone();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  });
}

TEST_F(MethodsTest, CallThatIsNeverAnsweredFails) {
  hold_ = true;
  const auto drop = loop_.Every(1ms, [&] { held_.clear(); });
  WhileTurning([&] {
    auto stub = accounts::v1::Accounts::NewStub(channel_);
    grpc::ClientContext context;
    accounts::v1::ExistsResponse response;
    EXPECT_EQ(stub->Exists(&context, accounts::v1::ExistsRequest(), &response).error_code(),
              grpc::StatusCode::UNAVAILABLE);
  });
}

class MethodsEndTest : public MethodsTest {
 protected:
  void AskAndHold() {
    hold_ = true;
    UnaryClient::Options options;
    options.discovery.targets = {"127.0.0.1:" + std::to_string(server_->port())};
    client_ = std::make_unique<UnaryClient>(loop_, options);
    client_->Call<accounts::v1::ExistsResponse>(
        "/parley.accounts.v1.Accounts/Exists", accounts::v1::ExistsRequest(), 500ms,
        [this](Result<accounts::v1::ExistsResponse> answer) { failed_ = !answer; });
    RunUntil(loop_, [&] { return !held_.empty(); });
  }
  std::unique_ptr<UnaryClient> client_;
  bool failed_ = false;
};

TEST_F(MethodsEndTest, ServerGoesWhileACallIsOpen) {
  AskAndHold();
  server_.reset();
  for (auto& answer : std::exchange(held_, {})) answer();
  RunUntil(loop_, [&] { return failed_; });
}

TEST_F(MethodsEndTest, CallerGoesWhileACallIsOpen) {
  AskAndHold();
  client_.reset();
  RunFor(loop_, 10ms);
  for (auto& answer : std::exchange(held_, {})) answer();
  RunFor(loop_, 10ms);
}

TEST_F(MethodsEndTest, AllGoWhileACallIsOpen) {
  AskAndHold();
  client_.reset();
  server_.reset();
}

}  // namespace
}  // namespace parley::rpc
