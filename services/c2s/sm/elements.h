#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/xml/scanner.h"
#include "libs/xmpp/errors.h"

// The elements of stream management (XEP-0198), which are no stanzas and are not counted.
namespace parley::c2s {

inline constexpr std::string_view kSmNs = "urn:xmpp:sm:3";
inline constexpr std::string_view kSmFeature = "<sm xmlns='urn:xmpp:sm:3'/>";
inline constexpr std::string_view kSmRequest = "<r xmlns='urn:xmpp:sm:3'/>";

std::string SmAnswer(std::uint32_t handled);
struct SmEnabled {
  std::string_view id;        // empty: the session cannot be resumed
  std::uint64_t max_seconds;  // how long it may be away
  std::string_view location;  // where to resume it; empty: anywhere
};
std::string ToXml(const SmEnabled& enabled);
std::string SmResumed(std::string_view id, std::uint32_t handled);
// `handled`: of the session that could not be resumed, if it is known.
std::string SmFailed(std::string_view condition, std::optional<std::uint32_t> handled = std::nullopt);
// Section 4: the client acknowledges more than it was sent.
xmpp::StreamError SmTooHigh(std::uint32_t handled, std::uint32_t sent);

// The attribute `h`, or another one that is a number.
std::optional<std::uint32_t> SmNumber(const xml::StartTag& tag, std::string_view name);

}  // namespace parley::c2s
