#include "libs/rpc/audit.h"

#include <gmock/gmock.h>

#include "parley/accounts/v1/accounts.pb.h"
#include "parley/admin/v1/admin.pb.h"
#include "parley/transfer/v1/transfer.pb.h"

namespace parley::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string LineOf(const Audit& audit) {
  ::testing::internal::CaptureStderr();
  audit.Ended("done");
  return ::testing::internal::GetCapturedStderr();
}

TEST(AuditTest, AnImportOfWholeAccountsIsOneLineWithItsSums) {
  Audit audit({kAdmin, "ada", "here"}, "/parley.transfer.v1.Transfer/Import");
  for (const int users : {3, 2}) {
    transfer::v1::ImportRequest request;
    for (int i = 0; i < users; ++i) request.add_users()->set_password("open sesame");
    audit.Asked(request);
    transfer::v1::ImportProgress progress;
    progress.set_created(users - 1);
    progress.set_messages(10);
    progress.add_failures();
    audit.Answered(progress);
  }
  EXPECT_THAT(LineOf(audit), AllOf(HasSubstr("5 accounts"), HasSubstr("created=3"), HasSubstr("failures=2"),
                                   HasSubstr("messages=20"), HasSubstr("ada"), Not(HasSubstr("sesame"))));
}

TEST(AuditTest, AnImportThatCountsFromItsStartIsNotCountedTwice) {
  Audit audit({kAdmin, "ada", "here"}, "/parley.accounts.v1.Accounts/Import");
  for (const std::uint64_t created : {2, 5}) {
    accounts::v1::ImportRequest request;
    request.add_accounts();
    audit.Asked(request);
    accounts::v1::ImportProgress progress;
    progress.set_created(created);
    progress.add_failures();
    audit.Answered(progress);
  }
  EXPECT_THAT(LineOf(audit), AllOf(HasSubstr("2 accounts"), HasSubstr("created=5"), HasSubstr("failures=2")));
}

TEST(AuditTest, ARefusalIsTold) {
  Audit audit({kAdmin, "ada", "here"}, "/parley.admin.v1.Admin/Ban");
  admin::v1::BanRequest request;
  request.set_network("192.0.2.1");
  audit.Asked(request);
  admin::v1::BanResponse response;
  response.set_failure("too many");
  audit.Answered(response);
  EXPECT_THAT(LineOf(audit), AllOf(HasSubstr("192.0.2.1"), HasSubstr("refused"), HasSubstr("too many")));
}

}  // namespace
}  // namespace parley::rpc
