#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace parley::telemetry {

// Limits of the HTTP for probes and metrics.
struct AdminOptions {
  std::uint32_t max_connections = 32;  // probes and a few scrapers
  std::chrono::milliseconds request_timeout{10000};
  std::uint32_t max_header_bytes = 8192;
  std::string key = "admin";  // of the configuration, where the address is from: errors name it
};

}  // namespace parley::telemetry
