#include "libs/telemetry/process_metrics.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace parley::telemetry {
namespace {

prometheus::MetricFamily Family(const std::string& name, const std::string& help, prometheus::MetricType type,
                                double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {name, help, type, {metric}};
}

prometheus::MetricFamily Gauge(const std::string& name, const std::string& help, double value) {
  return Family(name, help, prometheus::MetricType::Gauge, value);
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

struct Memory {
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

Memory MemoryNow() {
  std::ifstream statm("/proc/self/statm");
  double virtual_pages = 0;
  double resident_pages = 0;
  statm >> virtual_pages >> resident_pages;
  const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {virtual_pages * page, resident_pages * page};
}

double OpenDescriptors() {
  // Linux 6.2 tells the count as the size of the directory; listing 20,000 of them would hold up the loop.
  constexpr char kDirectory[] = "/proc/self/fd";
  struct stat status {};
  if (::stat(kDirectory, &status) == 0 && status.st_size > 0) return static_cast<double>(status.st_size);
  std::error_code error;
  const std::filesystem::directory_iterator listing(kDirectory, error);
  // One of them is the listing's own.
  return error ? 0 : static_cast<double>(std::distance(begin(listing), end(listing)) - 1);
}

double MaxDescriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

double Threads() {
  std::ifstream status("/proc/self/status");
  const std::string key = "Threads:";
  for (std::string word; status >> word;) {
    double count = 0;
    if (word == key && status >> count) return count;
  }
  return 0;
}

}  // namespace

ProcessMetrics::ProcessMetrics()
    : start_time_(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count()) {}

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  const Memory memory = MemoryNow();
  return {
      Family("process_cpu_seconds_total", "User and system CPU time.", prometheus::MetricType::Counter, CpuSeconds()),
      Gauge("process_resident_memory_bytes", "Resident memory.", memory.resident_bytes),
      Gauge("process_virtual_memory_bytes", "Virtual memory.", memory.virtual_bytes),
      Gauge("process_open_fds", "Open file descriptors.", OpenDescriptors()),
      Gauge("process_max_fds", "Limit of open file descriptors.", MaxDescriptors()),
      Gauge("process_threads", "Threads.", Threads()),
      Gauge("process_start_time_seconds", "When the process started, in Unix time.", start_time_),
  };
}

}  // namespace parley::telemetry
