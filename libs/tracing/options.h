#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace parley::tracing {

struct Options {
  std::string endpoint;                         // "http://collector:4318"; empty: nothing is traced
  double sample_ratio = 0;                      // of clients' stanzas
  std::uint32_t max_queue = 4096;               // finished spans that wait for the collector; more are dropped
  std::uint32_t batch = 512;                    // most of them in one request
  std::chrono::milliseconds interval{1000};     // they wait so long at most for more
  std::chrono::milliseconds timeout{5000};      // of one request
  std::chrono::milliseconds stop_timeout{500};  // for what is left when the process ends
};

}  // namespace parley::tracing
