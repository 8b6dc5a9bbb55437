#include "libs/rpc/asks.h"

#include <algorithm>
#include <utility>

namespace parley::rpc {

link::v1::Request Asks::Add(std::string body, std::chrono::milliseconds timeout, Link::Done done) {
  link::v1::Request request;
  if (waiting_.size() >= max_) {
    meter_.AskFailed();
    loop_.Post([done = std::move(done)] { done(Error(kTooManyAsks)); });
    return request;
  }
  const std::uint64_t id = ++last_id_;
  request.set_id(id);
  request.set_body(std::move(body));
  request.set_timeout_ms(static_cast<std::uint32_t>(std::max<std::int64_t>(timeout.count(), 1)));
  auto timer = loop_.After(timeout, [this, id] {
    auto late = waiting_.extract(id);
    if (late.empty()) return;
    meter_.AskFailed();
    late.mapped().done(Error(kNoReply));
  });
  waiting_.emplace(id, Waiting{std::move(done), std::chrono::steady_clock::now(), std::move(timer)});
  return request;
}

bool Asks::Answer(link::v1::Reply& reply) {
  auto waiting = waiting_.extract(reply.id());
  if (waiting.empty()) return false;
  if (reply.failure().empty()) {
    meter_.Answered(std::chrono::steady_clock::now() - waiting.mapped().since);
    waiting.mapped().done(std::move(*reply.mutable_body()));
  } else {
    meter_.AskFailed();
    waiting.mapped().done(Error(reply.failure()));
  }
  return true;
}

// In the order asked, as those who wait will ask again.
std::vector<Asks::Waiting> Asks::TakeAll() {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, ask] : waiting_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  std::vector<Waiting> all;
  for (const auto id : ids) all.push_back(std::move(waiting_.at(id)));
  waiting_.clear();
  return all;
}

void Asks::FailAll(const Error& error) {
  for (auto& ask : TakeAll()) {
    meter_.AskFailed();
    ask.done(error);
  }
}

void Asks::FailAllLater(const Error& error) {
  for (auto& ask : TakeAll()) {
    meter_.AskFailed();
    loop_.Post([done = std::move(ask.done), error] { done(error); });
  }
}

}  // namespace parley::rpc
