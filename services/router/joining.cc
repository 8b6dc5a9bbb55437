#include "services/router/joining.h"

#include <utility>

#include "libs/base/log.h"

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kLook{20};

std::string Names(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

}  // namespace

Joining::Joining(Loop& loop, const Nodes& nodes, const Peers& peers, rpc::Server& server, const Options& options,
                 Metrics& metrics, std::function<void()> joined)
    : loop_(loop),
      nodes_(nodes),
      peers_(peers),
      server_(server),
      timeout_(options.join_timeout),
      metrics_(metrics),
      joined_(std::move(joined)) {}

void Joining::Begin() {
  begun_ = Clock::now();
  timer_ = loop_.Every(kLook, [this] { Look(); });
}

void Joining::Stop() {
  timer_.Cancel();
  changing_over_ = false;
}

std::vector<std::string> Joining::Missing() const {
  if (!nodes_.known()) return {"redis"};
  if (!peers_.complete()) return {"routers"};
  std::vector<std::string> missing;
  for (const auto& node : nodes_.alive()) {
    if (!server_.linked("c2s", node.instance)) missing.push_back(node.instance);
  }
  for (const auto& router : peers_.others()) {
    if (!server_.linked("router", router)) missing.push_back(router);
  }
  return missing;
}

void Joining::Look() {
  const auto missing = Missing();
  const bool late = Clock::now() - begun_ >= timeout_;
  if (!missing.empty() && !late) return;
  if (!missing.empty()) {
    metrics_.limits_join.Increment();
    log::Warn("join_incomplete", {{"missing", Names(missing)},
                                  {"remedy",
                                   "look why they cannot reach this router; until they do, they may give its "
                                   "accounts to another"}});
  }
  timer_.Cancel();
  changing_over_ = true;
  server_.Join([this] {
    changing_over_ = false;
    const std::chrono::duration<double> took = Clock::now() - begun_;
    metrics_.join_seconds.Set(took.count());
    log::Info("joined", {{"seconds", took.count()}});
    joined_();
  });
}

}  // namespace parley::router
