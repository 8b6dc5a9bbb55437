#include "libs/rpc/discovery.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "libs/base/log.h"

namespace parley::rpc {
namespace {

struct Target {
  std::string host;
  std::string port;
};

std::optional<Target> Split(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size()) return std::nullopt;
  Target target{text.substr(0, colon), text.substr(colon + 1)};
  if (target.host.size() > 2 && target.host.front() == '[' && target.host.back() == ']') {
    target.host = target.host.substr(1, target.host.size() - 2);
  }
  return target;
}

std::string Join(const std::string& ip, const std::string& port) {
  return ip.find(':') == std::string::npos ? ip + ":" + port : "[" + ip + "]:" + port;
}

bool IsAddress(const std::string& host) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), buffer) == 1 || inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

using Addresses = std::set<std::string>;

// Blocks. Nothing: it does not resolve now.
std::optional<Addresses> Resolve(const Target& target, std::string& problem) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = AF_UNSPEC;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &list);
  if (error != 0) {
    problem = gai_strerror(error);
    return std::nullopt;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(list, &freeaddrinfo);
  Addresses addresses;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
    char ip[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, ip, sizeof ip, nullptr, 0, NI_NUMERICHOST) == 0) {
      addresses.insert(Join(ip, target.port));
    }
  }
  return addresses;
}

}  // namespace

struct Discovery::State {
  State(Loop& loop_, DiscoveryOptions options_, std::function<void(const std::vector<std::string>&)> changed_)
      : loop(&loop_), options(std::move(options_)), changed(std::move(changed_)) {}

  static void Watch(const std::shared_ptr<State>& state, const std::vector<Target>& targets);
  void Look(const std::vector<Target>& targets);
  static void Tell(const std::shared_ptr<State>& state, const Addresses& addresses);

  std::mutex mutex;  // guards loop and stop
  std::condition_variable wake;
  Loop* loop;
  bool stop = false;

  const DiscoveryOptions options;
  std::function<void(const std::vector<std::string>&)> changed;  // loop's thread
  std::vector<std::string> told;                                 // loop's thread
  std::map<std::string, Addresses> answers;                      // the watcher's: the last good one of each name
  std::map<std::string, std::string> problems;                   // the watcher's
};

void Discovery::State::Look(const std::vector<Target>& targets) {
  for (const auto& target : targets) {
    const std::string name = Join(target.host, target.port);
    std::string problem;
    if (auto addresses = Resolve(target, problem)) answers[name] = *std::move(addresses);
    if (problem != std::exchange(problems[name], problem) && !problem.empty()) {
      log::Warn("discovery_failed", {{"name", name}, {"reason", problem}});
    }
  }
}

void Discovery::State::Tell(const std::shared_ptr<State>& state, const Addresses& addresses) {
  std::lock_guard lock(state->mutex);
  if (state->stop) return;
  state->loop->Post([state, list = std::vector<std::string>(addresses.begin(), addresses.end())] {
    if (!state->changed || list == state->told) return;
    state->told = list;
    // A copy: it may destroy us.
    const auto changed = state->changed;
    changed(list);
  });
}

void Discovery::State::Watch(const std::shared_ptr<State>& state, const std::vector<Target>& targets) {
  while (true) {
    state->Look(targets);
    Addresses all;
    for (const auto& [name, addresses] : state->answers) all.insert(addresses.begin(), addresses.end());
    Tell(state, all);
    std::unique_lock lock(state->mutex);
    if (state->wake.wait_for(lock, state->options.refresh, [&] { return state->stop; })) return;
  }
}

Discovery::Discovery(Loop& loop, DiscoveryOptions options, std::function<void(const std::vector<std::string>&)> changed)
    : state_(std::make_shared<State>(loop, std::move(options), std::move(changed))) {
  std::vector<Target> targets;
  Addresses fixed;
  for (const auto& text : state_->options.targets) {
    const auto target = Split(text);
    if (!target) {
      log::Error("discovery_target_invalid", {{"target", text}});
    } else if (IsAddress(target->host)) {
      fixed.insert(Join(target->host, target->port));
    } else {
      targets.push_back(*target);
    }
  }
  state_->answers["fixed"] = fixed;
  if (targets.empty()) {
    State::Tell(state_, fixed);
    return;
  }
  // Not joined: a resolver may block for long, and nobody should wait for that at the end.
  std::thread([state = state_, targets] { State::Watch(state, targets); }).detach();
}

Discovery::~Discovery() {
  state_->changed = nullptr;
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
}

}  // namespace parley::rpc
