#include "services/router/delay.h"

#include <cstdio>
#include <ctime>

#include "libs/xmpp/stanza.h"

namespace parley::router {
namespace {

constexpr char kOfflineStorage[] = "Offline Storage</delay>";

// What ends there is the message's last child: not one of a message that is forwarded in it.
bool IsLast(std::string_view stanza, std::size_t end) {
  const std::string_view rest = stanza.substr(end);
  return rest.starts_with("</message") && rest.find('<', 1) == std::string_view::npos;
}

// XEP-0082, in UTC with milliseconds.
std::string Stamp(std::int64_t unix_milliseconds) {
  const std::time_t seconds = unix_milliseconds / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
  char fraction[8];
  std::snprintf(fraction, sizeof(fraction), ".%03dZ", static_cast<int>(unix_milliseconds % 1000));
  return std::string(text, size) + fraction;
}

std::string Delay(std::string_view domain, std::int64_t received_at) {
  return "<delay xmlns='urn:xmpp:delay' from='" + std::string(domain) + "' stamp='" + Stamp(received_at) + "'>" +
         kOfflineStorage;
}

}  // namespace

std::string WithDelay(const std::string& stanza, std::string_view domain, std::int64_t received_at) {
  const auto ours = stanza.rfind(kOfflineStorage);
  const bool last = ours != std::string::npos && IsLast(stanza, ours + sizeof(kOfflineStorage) - 1);
  return last ? stanza : xmpp::WithChild(stanza, Delay(domain, received_at));
}

std::string WithoutDelay(const std::string& stanza, std::string_view domain, std::int64_t received_at) {
  const std::string delay = Delay(domain, received_at);
  const auto ours = stanza.rfind(delay);
  if (ours == std::string::npos || !IsLast(stanza, ours + delay.size())) return stanza;
  return stanza.substr(0, ours) + stanza.substr(ours + delay.size());
}

}  // namespace parley::router
