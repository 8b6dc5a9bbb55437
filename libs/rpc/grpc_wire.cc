#include "libs/rpc/grpc_wire.h"

#include <cstdint>

namespace parley::rpc {
namespace {

constexpr std::size_t kLength = 4;

std::uint32_t LengthIn(std::string_view prefix) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < kLength; ++i) length = length << 8 | static_cast<unsigned char>(prefix[1 + i]);
  return length;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Status messages are percent-encoded; what is not well encoded stays as it is.
std::string Decode(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool encoded = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0;
    plain += encoded ? static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])) : text[i];
    if (encoded) i += 2;
  }
  return plain;
}

}  // namespace

void SerializeGrpc(const google::protobuf::MessageLite& message, std::string& into) {
  const std::size_t size = message.ByteSizeLong();
  into.assign(1, '\0');
  for (std::size_t i = 0; i < kLength; ++i) into += static_cast<char>(size >> (8 * (kLength - 1 - i)));
  message.AppendPartialToString(&into);
}

std::string_view GrpcMessages::Next(std::string_view bytes) {
  if (bytes.size() < kPrefix) return {};
  const std::uint32_t length = LengthIn(bytes);
  if (bytes[0] != '\0' || length > kMaxFrameBytes) {
    good_ = false;
    return {};
  }
  if (bytes.size() - kPrefix < length) return {};
  return bytes.substr(kPrefix, length);
}

void GrpcStatus::Take(std::string_view name, std::string_view value) {
  if (name == ":status") http_ = value;
  if (name == "grpc-status") code_ = value;
  if (name == "grpc-message") message_ = Decode(value);
}

std::string GrpcStatus::problem() const {
  if (!http_.empty() && http_ != "200") return "it answered with HTTP " + http_;
  if (code_.empty() || code_ == "0") return {};
  return message_.empty() ? "it ended the stream with status " + code_ : message_;
}

}  // namespace parley::rpc
