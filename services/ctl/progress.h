#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace parley::ctl {

// How far it is, on standard error: a line that is rewritten on a terminal, else a line every few seconds.
class Progress {
 public:
  explicit Progress(std::string done);
  void Show(std::uint64_t accounts);
  void End(std::uint64_t accounts);

 private:
  using Clock = std::chrono::steady_clock;
  void Write(std::uint64_t accounts, const char* end);

  const std::string done_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = Clock::now();
};

}  // namespace parley::ctl
