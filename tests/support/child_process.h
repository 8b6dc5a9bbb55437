#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace parley::test {

// A directory for one test process' servers, gone with it, also when it crashes.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A program that runs beside the test and is killed with it, also when the test crashes.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> command;  // the program's path first
    std::string output;                // file that gets standard output and error
    uid_t user = 0;                    // if the test runs as root; 0: stay
    gid_t group = 0;
  };
  explicit ChildProcess(const Options& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Of it and its children.
  void SignalTree(int signal) const;
  void Signal(int signal) const;
  bool running();
  // Its exit status, 128 + signal if it was killed.
  int Wait();

 private:
  pid_t pid_ = -1;
  int status_ = -1;
};

// Asks until `condition` holds; throws std::runtime_error with `what` and the file `log` when it takes too long.
void WaitUntil(const std::string& what, const std::function<bool()>& condition, const std::string& log = "");

// Runs `command` to its end; throws with its output if it fails.
void RunToEnd(const ChildProcess::Options& options);

}  // namespace parley::test
