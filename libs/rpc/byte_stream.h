#pragma once

#include <google/protobuf/message_lite.h>

#include <memory>
#include <string>
#include <string_view>

#include "libs/rpc/call_status.h"

namespace parley::rpc {

// A gRPC call of any kind as a stream of serialised messages in both directions, whoever made it. One message is read
// and one written at a time. Loop's thread only. No call of the user comes from inside a method of this class.
class ByteStream {
 public:
  // What happens to it. Owned by the stream, which goes after OnBroken or Detach.
  class User {
   public:
    virtual ~User() = default;
    virtual void OnOpen(const std::string& remote_address) = 0;
    virtual void OnMessage(std::string_view message) = 0;  // valid during the call
    virtual void OnWritten() = 0;
    // The peer sends no more. The stream ends by itself unless Lingers().
    virtual void OnReadsDone() {}
    virtual bool Lingers() const { return false; }
    // The last; how it ended.
    virtual void OnBroken(const CallStatus& status) = 0;
  };
  virtual void Use(std::unique_ptr<User> user) = 0;

  // The next message, or that there is none.
  virtual void Read() = 0;
  virtual void Write(const google::protobuf::MessageLite& message) = 0;
  // One that is serialised.
  virtual void WriteBytes(std::string_view message) = 0;
  virtual bool writing() const = 0;
  // After what was written. Who accepted says with what status.
  virtual void Finish(const CallStatus& status = {}) = 0;
  // At once. Who accepted tells the reason, if it can.
  virtual void Abort(const std::string& reason) = 0;
  // Like Abort; nothing more is told to the user.
  virtual void Detach() = 0;

 protected:
  ~ByteStream() = default;
};

}  // namespace parley::rpc
