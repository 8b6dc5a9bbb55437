#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "libs/base/result.h"

namespace parley::tracing {

// Where to post.
struct Endpoint {
  std::string host;
  std::string port;
  std::string path;

  // "http://host[:port][/path]", by OpenTelemetry's custom port 4318 and path /v1/traces where there is none.
  static std::optional<Endpoint> Parse(const std::string& url);
};

inline constexpr char kTimedOut[] = "timed out";

// Posts JSON on a connection of its own, and waits for the answer: its body, if the status is 200. Looking up the name
// may take longer than `timeout`.
Result<std::string> HttpPost(const Endpoint& endpoint, std::string body, std::chrono::milliseconds timeout);

}  // namespace parley::tracing
