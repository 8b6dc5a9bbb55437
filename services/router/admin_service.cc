#include "services/router/admin_service.h"

#include <deque>
#include <mutex>
#include <utility>

#include "libs/rpc/unary.h"
#include "parley/admin/v1/admin.grpc.pb.h"
#include "services/router/admin_api.h"

namespace parley::router {
namespace {

namespace pb = admin::v1;

// The rows of one listing, on their way: the loop adds, gRPC writes one after another.
class Rows final : public grpc::ServerWriteReactor<pb::SessionRow> {
 public:
  void Keep(std::shared_ptr<Rows> self) { self_ = std::move(self); }

  bool Add(pb::SessionRow row) {
    std::lock_guard lock(mutex_);
    if (finished_) return false;
    rows_.push_back(std::move(row));
    if (rows_.size() == 1) StartWrite(&rows_.front());
    return true;
  }
  void End(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    ended_ = true;
    status_ = status;
    if (rows_.empty()) FinishOnce(status_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    rows_.pop_front();
    if (!ok) return FinishOnce(grpc::Status::CANCELLED);
    if (!rows_.empty()) return StartWrite(&rows_.front());
    if (ended_) FinishOnce(status_);
  }
  void OnCancel() override {
    std::lock_guard lock(mutex_);
    if (rows_.empty()) FinishOnce(grpc::Status::CANCELLED);  // else the write under way fails
  }
  void OnDone() override { self_.reset(); }

 private:
  void FinishOnce(const grpc::Status& status) {
    if (!std::exchange(finished_, true)) Finish(status);
  }

  std::shared_ptr<Rows> self_;
  std::mutex mutex_;
  std::deque<pb::SessionRow> rows_;
  grpc::Status status_;
  bool ended_ = false;
  bool finished_ = false;
};

}  // namespace

class AdminService::Rpc final : public pb::Admin::CallbackService {
 public:
  Rpc(Loop& loop, AdminApi& api) : loop_(loop), api_(api) {}

  grpc::ServerWriteReactor<pb::SessionRow>* ListSessions(grpc::CallbackServerContext*,
                                                         const pb::ListSessionsRequest* request) override {
    const auto rows = std::make_shared<Rows>();
    rows->Keep(rows);
    loop_.Post([this, rows, request = *request] {
      const auto end = [rows](const std::string& failure) {
        rows->End(failure.empty() ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAVAILABLE, failure));
      };
      api_.ListSessions(request, [rows](pb::SessionRow row) { return rows->Add(std::move(row)); }, end);
    });
    return rows.get();
  }
  grpc::ServerUnaryReactor* KickSessions(grpc::CallbackServerContext*, const pb::KickSessionsRequest* request,
                                         pb::KickSessionsResponse* response) override {
    std::function<void(const pb::KickSessionsRequest&, rpc::Respond<pb::KickSessionsResponse>)> kick =
        [this](const auto& asked, auto respond) { api_.KickSessions(asked, std::move(respond)); };
    return rpc::Serve(loop_, request, response, std::move(kick));
  }
  grpc::ServerUnaryReactor* RemoveAccount(grpc::CallbackServerContext*, const pb::RemoveAccountRequest* request,
                                          pb::RemoveAccountResponse* response) override {
    std::function<void(const pb::RemoveAccountRequest&, rpc::Respond<pb::RemoveAccountResponse>)> remove =
        [this](const auto& asked, auto respond) { api_.RemoveAccount(asked.account(), std::move(respond)); };
    return rpc::Serve(loop_, request, response, std::move(remove));
  }
  grpc::ServerUnaryReactor* ListMembers(grpc::CallbackServerContext*, const pb::ListMembersRequest* request,
                                        pb::ListMembersResponse* response) override {
    std::function<void(const pb::ListMembersRequest&, rpc::Respond<pb::ListMembersResponse>)> list =
        [this](const auto&, auto respond) { api_.ListMembers(std::move(respond)); };
    return rpc::Serve(loop_, request, response, std::move(list));
  }

 private:
  Loop& loop_;
  AdminApi& api_;
};

AdminService::AdminService(Loop& loop, AdminApi& api) : rpc_(std::make_unique<Rpc>(loop, api)) {}
AdminService::~AdminService() = default;
grpc::Service* AdminService::service() { return rpc_.get(); }

}  // namespace parley::router
