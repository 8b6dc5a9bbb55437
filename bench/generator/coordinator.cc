#include "bench/generator/coordinator.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/generator/loop.h"
#include "bench/generator/scenario.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

constexpr double kLeastHold = 2;  // of scenario idle: memory settles

struct Helper {
  pid_t pid;
  int fd;
  std::string unread;
};

void RaiseFileLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

[[noreturn]] void RunWorker(const Options& options, std::uint32_t from, std::uint32_t to, int fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  RaiseFileLimit();
  int status = 0;
  try {
    Worker(options, from, to, fd).Run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parley-bench: %s\n", error.what());
    status = 2;
  }
  _exit(status);
}

class Crew {
 public:
  explicit Crew(const Options& options) {
    const std::uint32_t together = ShapeOf(options.scenario, options.group).together;
    const std::uint32_t units = options.connections / together;
    const auto count = static_cast<std::uint32_t>(options.processes_of_load);
    if (units < count) throw std::runtime_error("too few connections for this scenario and --processes");
    for (std::uint32_t i = 0; i < count; ++i) {
      Hire(options, units * i / count * together, units * (i + 1) / count * together);
    }
  }
  ~Crew() {
    for (const Helper& helper : helpers_) close(helper.fd);
    for (const Helper& helper : helpers_) waitpid(helper.pid, nullptr, 0);
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  void Say(char word) {
    for (const Helper& helper : helpers_) {
      if (write(helper.fd, &word, 1) != 1) throw std::runtime_error("a process of load has died");
    }
  }
  void Await(std::string_view word) {
    for (Helper& helper : helpers_) {
      if (ReadLine(helper) != word) throw std::runtime_error("a process of load did not say " + std::string(word));
    }
  }
  Stats Collect() {
    Stats all;
    for (Helper& helper : helpers_) all.Add(Stats::FromJson(nlohmann::json::parse(ReadLine(helper))));
    return all;
  }

 private:
  void Hire(const Options& options, std::uint32_t from, std::uint32_t to) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair failed");
    const pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("fork failed");
    if (pid == 0) {
      close(ends[0]);
      for (const Helper& other : helpers_) close(other.fd);
      RunWorker(options, from, to, ends[1]);
    }
    close(ends[1]);
    helpers_.push_back({pid, ends[0], {}});
  }

  static std::string ReadLine(Helper& helper) {
    for (;;) {
      const std::size_t end = helper.unread.find('\n');
      if (end != std::string::npos) {
        std::string line = helper.unread.substr(0, end);
        helper.unread.erase(0, end + 1);
        return line;
      }
      char bytes[65536];
      const auto got = read(helper.fd, bytes, sizeof bytes);
      if (got <= 0) throw std::runtime_error("a process of load has died");
      helper.unread.append(bytes, static_cast<std::size_t>(got));
    }
  }

  std::vector<Helper> helpers_;
};

void Sleep(double seconds) { usleep(static_cast<useconds_t>(seconds * 1e6)); }

void Sample(Outcome& outcome, const Options& options, Usage Measured::*when) {
  for (std::size_t i = 0; i < options.processes.size(); ++i) {
    outcome.processes[i].*when = UsageOf(options.processes[i]);
  }
}

// CPU of sessions that do nothing, and the memory of all at the end.
void Hold(Outcome& outcome, const Options& options) {
  outcome.hold_seconds = std::max(options.hold, options.scenario == "idle" ? kLeastHold : 0.0);
  if (outcome.hold_seconds == 0) return;
  Sleep(outcome.hold_seconds / 2);  // what the logins left to do
  Outcome start;
  start.processes.resize(options.processes.size());
  Sample(start, options, &Measured::begin);
  Sleep(outcome.hold_seconds);
  for (std::size_t i = 0; i < options.processes.size(); ++i) {
    const Usage now = UsageOf(options.processes[i]);
    outcome.processes[i].hold_cpu_seconds = now.cpu_seconds - start.processes[i].begin.cpu_seconds;
    outcome.processes[i].end.pss_kib = now.pss_kib;
  }
}

}  // namespace

Outcome Conduct(const Options& options) {
  signal(SIGPIPE, SIG_IGN);
  Outcome outcome;
  for (const Watched& watched : options.processes) outcome.processes.push_back({watched.name, {}, {}, {}, 0});
  Sample(outcome, options, &Measured::before);
  outcome.kernel_kib_before = KernelKib();
  const bool timed = ShapeOf(options.scenario, options.group).timed;
  Crew crew(options);
  crew.Await("ready");
  if (timed) {
    crew.Say('g');
    Sleep(options.warmup);
  }
  Sample(outcome, options, &Measured::begin);
  crew.Say('b');
  const Nanoseconds started = Now();
  if (timed) {
    Sleep(options.seconds);
  } else {
    crew.Say('g');
    crew.Await("done");
  }
  outcome.seconds = static_cast<double>(Now() - started) / 1e9;
  outcome.from = static_cast<double>(started) / 1e9;
  Sample(outcome, options, &Measured::end);
  if (timed) crew.Say('e');
  Hold(outcome, options);
  outcome.kernel_kib_end = KernelKib();
  if (!timed) crew.Say('e');
  outcome.stats = crew.Collect();
  crew.Say('q');
  return outcome;
}

}  // namespace parley::bench
