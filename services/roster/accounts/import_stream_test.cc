#include "services/roster/accounts/import_stream.h"

#include <gmock/gmock.h>

#include <memory>
#include <thread>

#include "parley/accounts/v1/accounts.grpc.pb.h"

namespace parley::roster {
namespace {

namespace pb = accounts::v1;

// Says of every account what its name says.
void Judge(const pb::ImportRequest& request, const std::function<void(pb::ImportProgress)>& reply) {
  pb::ImportProgress progress;
  for (int i = 0; i < request.accounts_size(); ++i) {
    const auto& jid = request.accounts(i).jid();
    if (jid == "new") progress.set_created(progress.created() + 1);
    if (jid == "old") progress.set_existed(progress.existed() + 1);
    if (jid == "bad") progress.add_failures()->set_index(i);
  }
  reply(progress);
}

class ImportStreamTest : public testing::Test {
 protected:
  class Service final : public pb::Accounts::CallbackService {
   public:
    explicit Service(Loop& loop) : loop_(loop) {}
    grpc::ServerBidiReactor<pb::ImportRequest, pb::ImportProgress>* Import(grpc::CallbackServerContext*) override {
      return NewImportStream(loop_, Judge);
    }

   private:
    Loop& loop_;
  };

  ImportStreamTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = pb::Accounts::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
    turning_ = std::thread([this] { loop_.Run(); });
  }
  ~ImportStreamTest() override {
    server_->Shutdown(std::chrono::system_clock::now());
    loop_.Stop();
    turning_.join();
  }

  static pb::ImportRequest Of(const std::vector<std::string>& jids) {
    pb::ImportRequest request;
    for (const auto& jid : jids) request.add_accounts()->set_jid(jid);
    return request;
  }

  Loop loop_;
  Service service_{loop_};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<pb::Accounts::Stub> stub_;
  std::thread turning_;
};

TEST_F(ImportStreamTest, CountsAddUpAndFailuresAreOfTheirMessage) {
  grpc::ClientContext context;
  const auto stream = stub_->Import(&context);
  ASSERT_TRUE(stream->Write(Of({"new", "old", "bad"})));
  ASSERT_TRUE(stream->Write(Of({"new", "new"})));  // waits at the service
  stream->WritesDone();
  pb::ImportProgress progress;
  ASSERT_TRUE(stream->Read(&progress));
  EXPECT_EQ(progress.created(), 1u);
  EXPECT_EQ(progress.existed(), 1u);
  ASSERT_EQ(progress.failures_size(), 1);
  EXPECT_EQ(progress.failures(0).index(), 2u);
  ASSERT_TRUE(stream->Read(&progress));
  EXPECT_EQ(progress.created(), 3u);
  EXPECT_EQ(progress.existed(), 1u);
  EXPECT_EQ(progress.failures_size(), 0);
  EXPECT_FALSE(stream->Read(&progress));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ImportStreamTest, CallerThatGoesAwayEndsTheStream) {
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    const auto stream = stub_->Import(&context);
    ASSERT_TRUE(stream->Write(Of({"new"})));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

}  // namespace
}  // namespace parley::roster
