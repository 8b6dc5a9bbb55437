#pragma once

#include <string>
#include <vector>

#include "bench/generator/options.h"

namespace parley::bench {

// What a server's processes use, from /proc.
struct Usage {
  double cpu_seconds = 0;  // since each began, with children that ended
  double pss_kib = 0;      // proportional: what is shared counts once
};

// `watched`'s processes and all that descend from them.
Usage UsageOf(const Watched& watched);
// Kernel memory that the whole machine uses for sockets and so on: slab and TCP buffers, KiB.
double KernelKib();

}  // namespace parley::bench
