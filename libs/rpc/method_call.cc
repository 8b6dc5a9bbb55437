#include "libs/rpc/method_call.h"

#include <utility>

namespace parley::rpc {

// Whoever handles a message has it; the call may be gone before.
class MethodCall::Answers final : public Responder {
 public:
  explicit Answers(MethodCall& call) : call_(&call) {}
  ~Answers() override {
    if (!settled_) Fail("not answered");
  }
  void Forget() { call_ = nullptr; }

  bool Send(std::string message) override {
    if (call_ == nullptr || settled_) return false;
    return call_->Send(std::move(message));
  }
  void Finish() override {
    Settle([](MethodCall& call) { call.End(CallStatus()); });
  }
  void Fail(const std::string& why) override {
    Settle([&](MethodCall& call) { call.End({CallStatus::kUnavailable, why}); });
  }
  void Next() override {
    Settle([](MethodCall& call) { call.stream_.Read(); });
  }
  void Asked(const google::protobuf::Message& request) override {
    if (call_ != nullptr && call_->audit_) call_->audit_->Asked(request);
  }
  void Answered(const google::protobuf::Message& response) override {
    if (call_ != nullptr && call_->audit_) call_->audit_->Answered(response);
  }
  std::size_t unsent() const override {
    return call_ == nullptr ? 0 : call_->unsent_.size() + (call_->stream_.writing() ? 1 : 0);
  }

 private:
  template <class Act>
  void Settle(Act act) {
    if (!std::exchange(settled_, true) && call_ != nullptr) act(*call_);
  }

  MethodCall* call_;
  bool settled_ = false;
};

MethodCall::MethodCall(ByteStream& stream, Methods::OnMessage on_message, Limit limit, Ended ended,
                       std::unique_ptr<Audit> audit)
    : stream_(stream),
      on_message_(std::move(on_message)),
      limit_(std::move(limit)),
      tell_(std::move(ended)),
      audit_(std::move(audit)) {}

MethodCall::~MethodCall() {
  if (const auto answers = answers_.lock()) answers->Forget();
  if (ended_) return;
  tell_(CallMeter::Outcome::kCancelled);
  if (audit_) audit_->Ended("cancelled");  // perhaps done all the same
}

void MethodCall::OnMessage(std::string_view message) {
  asked_ = true;
  const auto answers = std::make_shared<Answers>(*this);
  answers_ = answers;
  on_message_(std::string(message), answers);
}

void MethodCall::OnReadsDone() {
  End(asked_ ? CallStatus() : CallStatus(CallStatus::kInvalidArgument, "there is no request"));
}

bool MethodCall::Send(std::string message) {
  if (ended_) return false;
  if (unsent_bytes_ + message.size() > limit_.unsent_bytes) {
    limit_.metrics->Reached(Http2Limit::kUnsentBytes);
    const std::string reason = "the answer is not read";
    End({CallStatus::kResourceExhausted, reason});
    stream_.Abort(reason);  // it would not read that either
    return false;
  }
  unsent_bytes_ += message.size();
  unsent_.push_back(std::move(message));
  if (!stream_.writing()) WriteNext();
  return true;
}

void MethodCall::End(const CallStatus& status) {
  if (std::exchange(ended_, true)) return;
  status_ = status;
  tell_(status.ok() ? CallMeter::Outcome::kAnswered : CallMeter::Outcome::kFailed);
  if (audit_) audit_->Ended(status.ok() ? "done" : "failed");
  if (!stream_.writing()) WriteNext();
}

void MethodCall::WriteNext() {
  if (unsent_.empty()) {
    if (ended_) stream_.Finish(status_);
    return;
  }
  const std::string message = std::move(unsent_.front());
  unsent_.pop_front();
  unsent_bytes_ -= message.size();
  stream_.WriteBytes(message);
}

}  // namespace parley::rpc
