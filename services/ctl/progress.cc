#include "services/ctl/progress.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

namespace parley::ctl {

Progress::Progress(std::string done) : done_(std::move(done)), terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::Show(std::uint64_t accounts) {
  const auto now = Clock::now();
  if (now - shown_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000))) return;
  shown_ = now;
  Write(accounts, terminal_ ? "  " : "\n");
}

void Progress::End(std::uint64_t accounts) { Write(accounts, "\n"); }

void Progress::Write(std::uint64_t accounts, const char* end) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  std::cerr << (terminal_ ? "\r" : "") << done_ << " " << accounts << " accounts, "
            << static_cast<std::uint64_t>(static_cast<double>(accounts) / std::max(seconds, 0.001)) << " a second"
            << end << std::flush;
}

}  // namespace parley::ctl
