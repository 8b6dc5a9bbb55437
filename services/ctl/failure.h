#pragma once

#include <stdexcept>
#include <string>

namespace parley::ctl {

enum ExitCode { kDone = 0, kRefused = 1, kUsage = 2, kUnreachable = 3 };

// Ends the program with one line that says what is wrong and what to do.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

}  // namespace parley::ctl
