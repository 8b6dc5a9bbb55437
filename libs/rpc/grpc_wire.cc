#include "libs/rpc/grpc_wire.h"

#include <charconv>
#include <cstdint>

namespace parley::rpc {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::string_view kHexDigits = "0123456789ABCDEF";
// Beyond this a buffer that was used up is not kept.
constexpr std::size_t kKeptBytes = 65536;

std::uint32_t LengthIn(std::string_view prefix) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length = length << 8 | static_cast<unsigned char>(prefix[1 + i]);
  return length;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool EncodedAt(std::string_view text, std::size_t i) {
  return text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0;
}

// Not within a character (UTF-8).
std::string_view Cut(std::string_view text) {
  if (text.size() <= kMaxStatusText) return text;
  std::size_t end = kMaxStatusText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

void AppendMessagePrefix(std::size_t length, std::string& to) {
  to += '\0';
  for (std::size_t i = kLengthBytes; i-- > 0;) to += static_cast<char>(length >> (8 * i) & 0xFF);
}

// We never say that we understand compressed ones.
bool MessageBuffer::garbled() const { return size() >= kMessagePrefix && left()[0] != '\0'; }

bool MessageBuffer::too_large() const { return size() >= kMessagePrefix && LengthIn(left()) > max_message_; }

bool MessageBuffer::HasNext() const {
  const auto bytes = left();
  return bytes.size() >= kMessagePrefix && bytes.size() - kMessagePrefix >= LengthIn(bytes) && !broken();
}

std::optional<std::string_view> MessageBuffer::Next() {
  if (used_ == bytes_.size()) {
    bytes_.clear();
    used_ = 0;
    if (bytes_.capacity() > kKeptBytes) bytes_.shrink_to_fit();
  }
  if (!HasNext()) {
    bytes_.erase(0, std::exchange(used_, 0));
    return std::nullopt;
  }
  const std::uint32_t length = LengthIn(left());
  const auto message = left().substr(kMessagePrefix, length);
  used_ += kMessagePrefix + length;
  return message;
}

std::string EncodeStatusMessage(std::string_view text) {
  std::string encoded;
  for (const char c : Cut(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7E && c != '%') {
      encoded += c;
    } else {
      encoded += {'%', kHexDigits[byte >> 4], kHexDigits[byte & 0xF]};
    }
  }
  return encoded;
}

// What is not well encoded stays as it is.
std::string DecodeStatusMessage(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size() && plain.size() <= kMaxStatusText; ++i) {
    if (EncodedAt(text, i)) {
      plain += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return std::string(Cut(plain));
}

void StatusFields::Take(std::string_view name, std::string_view value) {
  if (name == ":status") http_ = value;
  if (name == "grpc-status") code_ = value;
  if (name == "grpc-message") message_ = DecodeStatusMessage(value);
}

std::optional<CallStatus> StatusFields::status() const {
  if (!http_.empty() && http_ != "200") return CallStatus(CallStatus::kUnavailable, "it answered with HTTP " + http_);
  if (code_.empty()) return std::nullopt;
  int code = CallStatus::kUnknown;
  std::from_chars(code_.data(), code_.data() + code_.size(), code);
  return CallStatus(static_cast<CallStatus::Code>(code), message_);
}

}  // namespace parley::rpc
