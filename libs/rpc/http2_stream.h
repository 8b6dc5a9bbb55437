#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/rpc/byte_stream.h"
#include "libs/rpc/grpc_wire.h"

namespace parley::rpc {

class Http2Connection;

// One call on a connection, which owns it.
class Http2Stream final : public ByteStream, public std::enable_shared_from_this<Http2Stream> {
 public:
  Http2Stream(Http2Connection& connection, std::string method);

  void Use(std::unique_ptr<User> user) override { user_ = std::move(user); }
  void Read() override;
  void Write(const google::protobuf::MessageLite& message) override;
  void WriteBytes(std::string_view message) override;
  bool writing() const override { return writing_; }
  void Finish(const CallStatus& status) override;
  void Abort(const std::string& reason) override;
  void Detach() override;

  // From the connection.
  const std::string& method() const { return method_; }
  std::int32_t id() const { return id_; }
  bool used() const { return user_ != nullptr; }
  void Open(std::int32_t id, const std::string& remote_address);
  void OnField(std::string_view name, std::string_view value) { fields_.Take(name, value); }
  void OnData(std::string_view bytes);
  void OnRemoteEnd();
  // What came; or only if the peer has said all.
  void Deliver();
  void DeliverIfEnded();
  // What the peer's window has room for.
  std::size_t Take(std::uint8_t* to, std::size_t room, std::uint32_t& flags);
  // What was taken has left.
  void OnDrained();
  void OnClosed(std::uint32_t error_code);
  void Broken(const CallStatus& status);
  // The connection is destroyed.
  void Sever();

 private:
  void BeginWriting();
  void RefuseNext();
  void AfterTheLast();
  void Later(void (Http2Stream::*what)());
  void Arrived();
  void CountUnread(std::size_t bytes);
  // We end it. Who called is told the reason, if it can be.
  void Fail(CallStatus why);
  void Consume(std::size_t bytes);
  void End();
  void Cancel();
  void KeepUserForNow();
  void Release(const CallStatus& status);
  CallStatus Outcome(std::uint32_t error_code) const;

  Http2Connection* connection_;  // nullptr: no more
  const std::string method_;
  std::int32_t id_ = 0;  // none yet
  std::unique_ptr<User> user_;
  StatusFields fields_;

  MessageBuffer incoming_;
  std::size_t unread_ = 0;      // bytes, as the connection counts them
  std::size_t unconsumed_ = 0;  // bytes that the peer's window lacks
  bool arrived_ = false;        // is to be delivered
  bool deaf_ = false;           // what comes is of no use any more
  bool reading_ = false;
  bool delivering_ = false;
  bool remote_ended_ = false;

  std::string outgoing_;
  std::size_t taken_ = 0;
  bool writing_ = false;
  bool answered_ = false;  // the header fields of the answer are out
  std::optional<CallStatus> ending_;
  std::optional<CallStatus> failure_;  // for which we end it
};

}  // namespace parley::rpc
