#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "libs/rpc/transport.h"

// gRPC over HTTP/2 as its protocol says (doc/PROTOCOL-HTTP2.md in gRPC's repository), for what does not use its library.
namespace parley::rpc {

// `message` as one message on the wire: not compressed, with its length before it.
void SerializeGrpc(const google::protobuf::MessageLite& message, std::string& into);

// Cuts what comes into messages.
class GrpcMessages {
 public:
  // Calls `take(std::string_view)` for each message that is complete. False: what came is none, or it is too large;
  // nothing more is taken.
  template <class TakeOne>
  bool Take(std::string_view bytes, TakeOne take) {
    if (!partial_.empty()) {
      partial_ += bytes;
      bytes = partial_;
    }
    std::size_t used = 0;
    while (good_) {
      const auto message = Next(bytes.substr(used));
      if (message.data() == nullptr) break;
      used += kPrefix + message.size();
      take(message);
    }
    // What is left may lie in partial_ itself.
    std::string left(bytes.substr(used));
    partial_ = std::move(left);
    return good_;
  }

 private:
  static constexpr std::size_t kPrefix = 5;
  // Without data: not whole yet, or not good.
  std::string_view Next(std::string_view bytes);

  std::string partial_;
  bool good_ = true;
};

// What an answer's header fields and trailers say.
class GrpcStatus {
 public:
  void Take(std::string_view name, std::string_view value);
  // Empty: none that is known.
  std::string problem() const;

 private:
  std::string http_;
  std::string code_;
  std::string message_;
};

}  // namespace parley::rpc
