#include "tests/support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace parley::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kLimit{20};

// Sees the end of its standard input when the test process ends, however it ends, and clears up what it was told of.
constexpr char kGuard[] = R"(
trap '' HUP INT TERM
pids=' '; dirs=
while read -r kind value; do
  case $kind in
    pid) pids="$pids$value " ;;
    end) pids="${pids%% $value *} ${pids#* $value }" ;;
    dir) dirs="$dirs $value" ;;
  esac
done
kill -9 $pids 2>/dev/null
for attempt in 1 2 3 4 5; do rm -rf $dirs 2>/dev/null && break; sleep 0.2; done
)";

class Guard {
 public:
  static Guard& Get() {
    static Guard guard;
    return guard;
  }
  void Tell(const std::string& line) const {
    const std::string text = line + "\n";
    if (write(pipe_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
  }

 private:
  Guard() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    pipe_ = ends[1];
    const pid_t pid = fork();
    if (pid == 0) {
      setsid();
      dup2(ends[0], 0);
      execl("/bin/sh", "sh", "-c", kGuard, nullptr);
      _exit(127);
    }
    close(ends[0]);
  }
  int pipe_;
};

void BecomeUser(const ChildProcess::Options& options) {
  if (options.user == 0 || geteuid() != 0) return;
  if (setgroups(0, nullptr) != 0 || setgid(options.group) != 0 || setuid(options.user) != 0) _exit(126);
}

// Between fork and exec: system calls only.
[[noreturn]] void Become(const ChildProcess::Options& options, char* const* words, int output) {
  dup2(output, 1);
  dup2(output, 2);
  BecomeUser(options);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execv(words[0], words);
  _exit(127);
}

std::string ReadAll(const std::string& file) {
  const std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();  // iterators would throw if it is of a process that has ended since
  return text.str();
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid == 0) continue;
    const std::string stat = ReadAll(entry.path() / "stat");
    // "pid (name) state parent": the name may hold anything.
    const auto name_end = stat.rfind(") ");
    if (name_end != std::string::npos && std::atoi(stat.c_str() + name_end + 4) == parent) children.push_back(pid);
  }
  return children;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory()
    : path_((std::filesystem::temp_directory_path() / "parley-test-XXXXXX").string()) {
  if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make a directory like " + path_);
  Guard::Get().Tell("dir " + path_);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ChildProcess::ChildProcess(const Options& options) {
  const Guard& guard = Guard::Get();
  std::vector<char*> words;
  for (const auto& word : options.command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const std::string file = options.output.empty() ? "/dev/null" : options.output;
  const int output = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  pid_ = fork();
  if (pid_ == 0) Become(options, words.data(), output);
  close(output);
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  guard.Tell("pid " + std::to_string(pid_));
}

ChildProcess::~ChildProcess() {
  if (status_ >= 0) return;
  SignalTree(SIGKILL);
  Wait();
}

void ChildProcess::SignalTree(int signal) const {
  const auto children = ChildrenOf(pid_);
  kill(pid_, signal);
  for (pid_t child : children) kill(child, signal);
}

void ChildProcess::Signal(int signal) const { kill(pid_, signal); }

bool ChildProcess::running() {
  if (status_ >= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  Guard::Get().Tell("end " + std::to_string(pid_));
  return false;
}

int ChildProcess::Wait() {
  WaitUntil("process to end", [this] { return !running(); });
  return status_;
}

void WaitUntil(const std::string& what, const std::function<bool()>& condition, const std::string& log) {
  const auto end = Clock::now() + kLimit;
  while (!condition()) {
    if (Clock::now() > end) throw std::runtime_error("waited in vain for " + what + "\n" + ReadAll(log));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void RunToEnd(const ChildProcess::Options& options) {
  ChildProcess process(options);
  if (process.Wait() != 0) throw std::runtime_error(options.command[0] + " failed\n" + ReadAll(options.output));
}

}  // namespace parley::test
