#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "libs/rpc/call_status.h"

// What gRPC's protocol over HTTP/2 is made of (doc/PROTOCOL-HTTP2.md in gRPC's repository).
namespace parley::rpc {

// A reply may be large (a whole roster, a page of offline messages).
inline constexpr std::size_t kMaxMessageBytes = 64 << 20;

// What stands before a message: that it is not compressed, and its length.
inline constexpr std::size_t kMessagePrefix = 5;
void AppendMessagePrefix(std::size_t length, std::string& to);

// Cuts what comes into messages.
class MessageBuffer {
 public:
  void Add(std::string_view bytes) { bytes_ += bytes; }
  // Takes the next one that is complete; it is valid until Add or Next.
  std::optional<std::string_view> Next();
  bool HasNext() const;
  // What came is no message, or too large.
  bool broken() const;
  // It ends within a message.
  bool partial() const { return used_ < bytes_.size(); }

 private:
  std::string_view left() const { return std::string_view(bytes_).substr(used_); }

  std::string bytes_;
  std::size_t used_ = 0;
};

// Status messages are percent-encoded.
std::string EncodeStatusMessage(std::string_view text);
std::string DecodeStatusMessage(std::string_view text);

// What an answer's header fields and trailers say.
class StatusFields {
 public:
  void Take(std::string_view name, std::string_view value);
  // Nothing: they do not say it.
  std::optional<CallStatus> status() const;

 private:
  std::string http_;
  std::string code_;
  std::string message_;
};

}  // namespace parley::rpc
