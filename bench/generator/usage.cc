#include "bench/generator/usage.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace parley::bench {
namespace {

struct Stat {
  int parent = 0;
  double own_seconds = 0;   // in ticks of 10 ms
  double dead_seconds = 0;  // of children that ended and were waited for
};

std::string ReadAll(const std::string& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

bool ReadStat(int pid, Stat& stat) {
  const std::string text = ReadAll("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream fields(text.substr(name_end + 2));
  std::string skipped;
  double utime = 0, stime = 0, cutime = 0, cstime = 0;
  fields >> skipped >> stat.parent;
  for (int i = 0; i < 9; ++i) fields >> skipped;
  fields >> utime >> stime >> cutime >> cstime;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  stat.own_seconds = (utime + stime) / ticks;
  stat.dead_seconds = (cutime + cstime) / ticks;
  return true;
}

std::vector<int> NumbersIn(const std::string& directory) {
  std::vector<int> numbers;
  DIR* entries = opendir(directory.c_str());
  if (entries == nullptr) return numbers;
  while (const dirent* entry = readdir(entries)) {
    if (const int number = std::atoi(entry->d_name); number > 0) numbers.push_back(number);
  }
  closedir(entries);
  return numbers;
}

// By thread, in nanoseconds. Threads that ended are missing: then the ticks are more.
double ScheduledSeconds(int pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  double total = 0;
  for (const int thread : NumbersIn(tasks)) {
    std::ifstream stream(tasks + "/" + std::to_string(thread) + "/schedstat");
    double nanoseconds = 0;
    stream >> nanoseconds;
    total += nanoseconds / 1e9;
  }
  return total;
}

double PssKib(int pid) {
  std::ifstream stream("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("Pss:")) return std::atof(line.c_str() + 4);
  }
  return 0;
}

}  // namespace

Usage UsageOf(const Watched& watched) {
  std::map<int, Stat> all;
  for (const int pid : NumbersIn("/proc")) {
    Stat stat;
    if (ReadStat(pid, stat)) all[pid] = stat;
  }
  std::set<int> family(watched.pids.begin(), watched.pids.end());
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [pid, stat] : all) {
      if (family.contains(stat.parent)) grown |= family.insert(pid).second;
    }
  }
  Usage usage;
  constexpr double kTicksOff = 0.03;
  for (const int pid : family) {
    const Stat& stat = all[pid];
    const double scheduled = ScheduledSeconds(pid);
    usage.cpu_seconds += (stat.own_seconds > scheduled + kTicksOff ? stat.own_seconds : scheduled) + stat.dead_seconds;
    usage.pss_kib += PssKib(pid);
  }
  return usage;
}

double KernelKib() {
  std::ifstream stream("/proc/meminfo");
  double total = 0;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("Slab:")) total += std::atof(line.c_str() + 5);
  }
  std::ifstream sockets("/proc/net/sockstat");
  for (std::string line; std::getline(sockets, line);) {
    const std::size_t at = line.find(" mem ");
    if (line.starts_with("TCP:") && at != std::string::npos) total += 4 * std::atof(line.c_str() + at + 5);
  }
  return total;
}

}  // namespace parley::bench
