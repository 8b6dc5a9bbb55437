#pragma once

#include <functional>
#include <string>
#include <vector>

#include "parley/link/v1/link.pb.h"

namespace parley::bench {

// One hot piece of the services with fixed input: timed by parley-microbench, counted in instructions and allocations
// by `./parley test instructions`.
struct Workload {
  std::string name;
  std::function<void()> once;
  // Null, or: does what has to be done before and after, which does not count, and calls what it is given in between.
  std::function<void(const std::function<void()>& counted)> around = {};

  // `count` is called instead of `once`, which it calls.
  void Run(const std::function<void()>& count) const { around ? around(count) : count(); }
};

std::vector<Workload> XmlWorkloads();
std::vector<Workload> JidWorkloads();
std::vector<Workload> LinkWorkloads();
std::vector<Workload> LookupWorkloads();
std::vector<Workload> SessionWorkloads();
std::vector<Workload> TlsWorkloads();
std::vector<Workload> HandshakeWorkloads();
std::vector<Workload> Http2Workloads();
std::vector<Workload> ClusterWorkloads();
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

// An envelope with a chat message, as it comes to the home of its recipient.
void FillChat(link::v1::Envelope& envelope);

}  // namespace parley::bench
