#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "libs/rpc/audit.h"
#include "libs/rpc/byte_stream.h"
#include "libs/rpc/call_meter.h"
#include "libs/rpc/http2_metrics.h"
#include "libs/rpc/methods.h"

namespace parley::rpc {

// One call of one of a server's methods, over the stream that every gRPC call is.
class MethodCall final : public ByteStream::User {
 public:
  // `ended` is told what became of it.
  using Ended = std::function<void(CallMeter::Outcome)>;
  // What may wait for the caller to read it; one who does not read is not answered further.
  struct Limit {
    std::uint64_t unsent_bytes;
    std::shared_ptr<const Http2Metrics> metrics;
  };
  // `audit`: nothing, for a call that is not worth a line.
  MethodCall(ByteStream& stream, Methods::OnMessage on_message, Limit limit, Ended ended, std::unique_ptr<Audit> audit);
  ~MethodCall() override;

 private:
  class Answers;

  void OnOpen(const std::string&) override { stream_.Read(); }
  void OnMessage(std::string_view message) override;
  void OnWritten() override { WriteNext(); }
  void OnReadsDone() override;
  // The caller has said all; the answers come.
  bool Lingers() const override { return true; }
  void OnBroken(const CallStatus&) override {}

  bool Send(std::string message);
  void End(const CallStatus& status);
  void WriteNext();

  ByteStream& stream_;
  Methods::OnMessage on_message_;
  // Of the message that is being answered.
  std::weak_ptr<Answers> answers_;
  std::deque<std::string> unsent_;
  std::uint64_t unsent_bytes_ = 0;
  const Limit limit_;
  Ended tell_;
  std::unique_ptr<Audit> audit_;
  bool asked_ = false;
  bool ended_ = false;
  CallStatus status_;
};

}  // namespace parley::rpc
