#include "services/roster/accounts/import_stream.h"

#include <memory>
#include <mutex>
#include <utility>

namespace parley::roster {
namespace {

namespace pb = accounts::v1;

// Shared by gRPC (until OnDone) and by the message that is being handled.
class ImportStream final : public grpc::ServerBidiReactor<pb::ImportRequest, pb::ImportProgress> {
 public:
  ImportStream(Loop& loop, ImportHandler handle) : loop_(loop), handle_(std::move(handle)) {}

  void Start(std::shared_ptr<ImportStream> self) {
    self_ = std::move(self);
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return FinishOnce(grpc::Status::OK);  // the caller is done
    // A copy, since gRPC's goes with the call; it holds passwords and is dropped with the task.
    loop_.Post([self = self_, request = request_] {
      if (!self) return;
      self->handle_(request, [self](const pb::ImportProgress& progress) { self->Report(progress); });
    });
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return FinishOnce(grpc::Status::CANCELLED);
    std::lock_guard lock(mutex_);
    if (!finished_) StartRead(&request_);
  }

  void OnCancel() override { FinishOnce(grpc::Status::CANCELLED); }
  void OnDone() override { self_.reset(); }

 private:
  void Report(const pb::ImportProgress& progress) {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    total_.set_created(total_.created() + progress.created());
    total_.set_existed(total_.existed() + progress.existed());
    *total_.mutable_failures() = progress.failures();
    StartWrite(&total_);
  }

  void FinishOnce(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    if (!std::exchange(finished_, true)) Finish(status);
  }

  Loop& loop_;
  const ImportHandler handle_;
  std::shared_ptr<ImportStream> self_;
  std::mutex mutex_;
  bool finished_ = false;
  pb::ImportRequest request_;
  pb::ImportProgress total_;
};

}  // namespace

grpc::ServerBidiReactor<pb::ImportRequest, pb::ImportProgress>* NewImportStream(Loop& loop, ImportHandler handle) {
  const auto stream = std::make_shared<ImportStream>(loop, std::move(handle));
  stream->Start(stream);
  return stream.get();
}

}  // namespace parley::roster
