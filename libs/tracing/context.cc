#include "libs/tracing/context.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace parley::tracing {
namespace {

constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kSpanDigits = 16;
constexpr std::size_t kSize = 55;  // 00-<trace id>-<span id>-<flags>
constexpr std::string_view kHex = "0123456789abcdef";

std::string RandomHex(std::size_t digits) {
  std::array<unsigned char, kTraceDigits / 2> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(digits / 2)) != 1) std::abort();
  std::string text;
  text.reserve(digits);
  for (std::size_t i = 0; i < digits / 2; ++i) {
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

bool IsHex(std::string_view text) { return text.find_first_not_of(kHex) == std::string_view::npos; }
bool IsId(std::string_view text) { return IsHex(text) && text.find_first_not_of('0') != std::string_view::npos; }

}  // namespace

Context Context::Root() { return {RandomHex(kTraceDigits), RandomHex(kSpanDigits)}; }

Context Context::Child() const { return {trace_id, RandomHex(kSpanDigits)}; }

// W3C Trace Context 3.2.2. Of a later version (4.3) its beginning is read, which stays as it is.
std::optional<Context> Context::Parse(std::string_view text) {
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace_id = text.substr(3, kTraceDigits);
  const std::string_view span_id = text.substr(36, kSpanDigits);
  const std::string_view flags = text.substr(53, 2);
  if (!IsHex(version) || version == "ff" || !IsHex(flags) || !IsId(trace_id) || !IsId(span_id)) return std::nullopt;
  if (text.size() > kSize && (version == "00" || text[kSize] != '-')) return std::nullopt;
  const bool sampled = (kHex.find(flags[1]) & 1) != 0;
  if (!sampled) return std::nullopt;
  return Context{std::string(trace_id), std::string(span_id)};
}

std::string Context::traceparent() const { return "00-" + trace_id + "-" + span_id + "-01"; }

}  // namespace parley::tracing
