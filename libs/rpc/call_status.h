#pragma once

#include <string>
#include <utility>

namespace parley::rpc {

// How a gRPC call ended. Codes that do not stand here are kept as their numbers.
struct CallStatus {
  enum Code {
    kOk = 0,
    kCancelled = 1,
    kUnknown = 2,
    kInvalidArgument = 3,
    kDeadlineExceeded = 4,
    kPermissionDenied = 7,
    kResourceExhausted = 8,
    kFailedPrecondition = 9,
    kUnimplemented = 12,
    kInternal = 13,
    kUnavailable = 14,
    kUnauthenticated = 16,
  };

  CallStatus() = default;
  CallStatus(Code code_, std::string message_) : code(code_), message(std::move(message_)) {}
  // Nothing of the call has reached the peer: whatever it was, it may be made again.
  static CallStatus NeverSent(const std::string& reason) {
    CallStatus status(kUnavailable, "failed to connect: " + reason);
    status.never_sent = true;
    return status;
  }
  bool ok() const { return code == kOk; }

  Code code = kOk;
  std::string message;
  bool never_sent = false;
};

}  // namespace parley::rpc
