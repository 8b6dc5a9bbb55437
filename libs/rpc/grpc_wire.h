#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "libs/rpc/call_status.h"

// What gRPC's protocol over HTTP/2 is made of (doc/PROTOCOL-HTTP2.md in gRPC's repository).
namespace parley::rpc {

// What stands before a message: that it is not compressed, and its length.
inline constexpr std::size_t kMessagePrefix = 5;
void AppendMessagePrefix(std::size_t length, std::string& to);

// Cuts what comes into messages.
class MessageBuffer {
 public:
  explicit MessageBuffer(std::size_t max_message) : max_message_(max_message) {}
  void Add(std::string_view bytes) { bytes_ += bytes; }
  void Clear() {
    bytes_ = {};
    used_ = 0;
  }
  // Takes the next one that is complete; it is valid until Add or Next.
  std::optional<std::string_view> Next();
  bool HasNext() const;
  // What comes next is no message that is taken.
  bool broken() const { return garbled() || too_large(); }
  bool garbled() const;
  bool too_large() const;
  // It ends within a message.
  bool partial() const { return used_ < bytes_.size(); }
  // What came and was not taken.
  std::size_t size() const { return bytes_.size() - used_; }

 private:
  std::string_view left() const { return std::string_view(bytes_).substr(used_); }

  const std::size_t max_message_;
  std::string bytes_;
  std::size_t used_ = 0;
};

// Status messages are for people, who see them in a line of the log: of longer ones this much is said and kept.
inline constexpr std::size_t kMaxStatusText = 1024;
// They are percent-encoded.
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
