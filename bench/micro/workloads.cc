#include "bench/micro/workloads.h"

#include <iterator>

namespace parley::bench {

std::vector<Workload> AllWorkloads() {
  std::vector<Workload> all;
  for (auto part : {XmlWorkloads, JidWorkloads, LinkWorkloads, SessionWorkloads}) {
    auto some = part();
    all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return all;
}

}  // namespace parley::bench
