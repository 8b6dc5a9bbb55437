#pragma once

#include <functional>
#include <string>
#include <vector>

namespace parley::bench {

// One hot piece of the services with fixed input: timed by parley-microbench, counted in instructions by
// `./parley test instructions`.
struct Workload {
  std::string name;
  std::function<void()> once;
};

std::vector<Workload> XmlWorkloads();
std::vector<Workload> JidWorkloads();
std::vector<Workload> LinkWorkloads();
std::vector<Workload> SessionWorkloads();
std::vector<Workload> AllWorkloads();

// The compiler must believe that `value` is needed.
template <typename T>
void Keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

// What a client sends in scenario chat, and what its session is called.
inline constexpr const char* kSender = "bench1000@localhost/bench";
inline constexpr const char* kReceiver = "bench1001@localhost/bench";
inline constexpr const char* kChat =
    "<message type='chat' to='bench1001@localhost/bench' id='~1f.2a.3b9aca00~'><body>"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx</body></message>";

}  // namespace parley::bench
