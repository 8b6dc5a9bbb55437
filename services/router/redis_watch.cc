#include "services/router/redis_watch.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"

namespace parley::router {
namespace {

// Between looks whether it is decided. Not a setting: it is, soon after router.redis_patience.
constexpr std::chrono::milliseconds kUndecided{20};
// Counted, not timed: a process that stood still has not looked.
constexpr int kLooks = 5;  // in `redis_patience`

std::int64_t Milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

std::string Question() {
  session::v1::Ask ask;
  ask.mutable_redis();
  return ask.SerializeAsString();
}

std::chrono::milliseconds SeenFor(const Result<std::string>& body) {
  session::v1::Answer answer;
  if (!body || !answer.ParseFromString(*body)) return {};  // an older release does not know the question
  return std::chrono::milliseconds(answer.redis().for_ms());
}

}  // namespace

RedisWatch::RedisWatch(Loop& loop, storage::Redis& redis, Peers& peers, const Options& options, Metrics& metrics,
                       Handlers handlers)
    : redis_(redis),
      peers_(peers),
      patience_(options.redis_patience),
      return_after_(options.redis_return),
      metrics_(metrics),
      handlers_(std::move(handlers)),
      last_answer_(Clock::now()),
      steady_since_(last_answer_),
      well_since_(last_answer_),
      timer_(loop.Every(patience_ / kLooks, [this] { Look(); })) {}

RedisWatch::~RedisWatch() { *alive_ = nullptr; }

void RedisWatch::Stop() {
  stopping_ = true;
  timer_.Cancel();
}

Task<void> RedisWatch::Decide() const {
  while (undecided()) co_await SleepFor(kUndecided);
}

bool RedisWatch::without() const { return silent_ >= kLooks && !answered_; }

void RedisWatch::Look() {
  if (std::exchange(answered_, false)) {
    if (silent_ >= kLooks) well_since_ = last_answer_;
    if (silent_ > 0) steady_since_ = last_answer_;
    silent_ = 0;
    rounds_ = 0;
  } else if (silent_ < kLooks) {
    ++silent_;
  }
  Ping();
  if (without() && !away_) AskOthers();
  if (away_ && silent_ == 0 && redis_.up() && Clock::now() - steady_since_ >= return_after_) ComeBack();
}

void RedisWatch::Ping() {
  if (std::exchange(pinging_, true)) return;
  redis_.Command({"PING"}, [alive = alive_](const Result<storage::Reply>& reply) {
    if (*alive == nullptr) return;
    (*alive)->pinging_ = false;
    if (reply) (*alive)->OnAnswered();
  });
}

void RedisWatch::OnAnswered() {
  answered_ = true;
  last_answer_ = Clock::now();
}

void RedisWatch::Answer(rpc::LinkHandler::Respond respond) {
  redis_.Command({"PING"}, [alive = alive_, respond = std::move(respond)](const Result<storage::Reply>& reply) {
    if (*alive == nullptr) return;
    RedisWatch& self = **alive;
    if (reply) self.OnAnswered();
    const bool serves = reply && !self.away_ && !self.stopping_ && self.silent_ < kLooks;
    session::v1::Answer answer;
    answer.mutable_redis()->set_for_ms(serves ? Milliseconds(Clock::now() - self.well_since_) : 0);
    respond(answer.SerializeAsString());
  });
}

void RedisWatch::AskOthers() {
  if (asking_ > 0) return;
  const auto asked = Clock::now();
  asking_ = peers_.AskOthers(Question(), patience_, [alive = alive_, asked](const Result<std::string>& answer) {
    if (*alive != nullptr) (*alive)->OnSeen(asked, answer);
  });
  if (asking_ == 0) rounds_ = kRounds;
}

void RedisWatch::OnSeen(Clock::time_point asked, const Result<std::string>& answer) {
  if (--asking_ == 0) ++rounds_;
  const auto now = Clock::now();
  // Late, as one of us stood still: that is how it was.
  if (away_ || stopping_ || !without() || now - asked > patience_) return;
  // Is Redis just coming back for all, it may be about to for us, too.
  const Clock::duration enough = std::min<Clock::duration>(now - last_answer_, return_after_);
  if (SeenFor(answer) >= enough) Leave();
}

void RedisWatch::Leave() {
  away_ = true;
  metrics_.away.Set(1);
  metrics_.departures.Increment();
  log::Warn("ring_departure",
            {{"silent_ms", Milliseconds(Clock::now() - last_answer_)},
             {"remedy", "Redis answers other routers, but not this one: look at the network between"}});
  handlers_.leave();
}

void RedisWatch::ComeBack() {
  away_ = false;
  metrics_.away.Set(0);
  log::Info("ring_return", {{"answers_for_ms", Milliseconds(Clock::now() - steady_since_)}});
  handlers_.come_back();
}

}  // namespace parley::router
