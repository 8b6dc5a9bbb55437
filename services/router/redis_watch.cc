#include "services/router/redis_watch.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"

namespace parley::router {
namespace {

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
      delay_(options.redis_return, options.redis_return_max),
      metrics_(metrics),
      handlers_(std::move(handlers)),
      waiters_(loop),
      last_answer_(Clock::now()),
      steady_since_(last_answer_),
      well_since_(last_answer_),
      timer_(loop.Every(patience_ / kLooks, [this] { Look(); })) {
  ShowDelay();
  redis_.OnState([alive = alive_](bool up) {
    if (up && *alive != nullptr) (*alive)->waiters_.WakeAll();
  });
}

RedisWatch::~RedisWatch() { *alive_ = nullptr; }

void RedisWatch::Stop() {
  stopping_ = true;
  timer_.Cancel();
  waiters_.WakeAll();
}

Task<void> RedisWatch::Decide() const {
  while (undecided()) co_await waiters_.Wait();
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
  const auto now = Clock::now();
  if (silent_ == 0 && delay_.NoteWell(now)) ShowDelay();
  if (away_ && silent_ == 0 && redis_.up() && now - steady_since_ >= delay_.current()) ComeBack();
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
  if (asking_ == 0) EndRounds(kRounds);
}

void RedisWatch::OnSeen(Clock::time_point asked, const Result<std::string>& answer) {
  if (--asking_ == 0) EndRounds(1);
  const auto now = Clock::now();
  // Late, as one of us stood still: that is how it was.
  if (away_ || stopping_ || !without() || now - asked > patience_) return;
  // Is Redis just coming back for all, it may be about to for us, too.
  const Clock::duration enough = std::min<Clock::duration>(now - last_answer_, delay_.shortest());
  if (SeenFor(answer) >= enough) Leave();
}

void RedisWatch::EndRounds(int count) {
  rounds_ += count;
  if (rounds_ >= kRounds) waiters_.WakeAll();
}

void RedisWatch::Leave() {
  away_ = true;
  delay_.NoteDeparture();
  ShowDelay();
  metrics_.away.Set(1);
  metrics_.departures.Increment();
  log::Warn("ring_departure",
            {{"silent_ms", Milliseconds(Clock::now() - last_answer_)},
             {"return_ms", delay_.current().count()},
             {"remedy", "Redis answers other routers, but not this one: look at the network between"}});
  handlers_.leave();
  waiters_.WakeAll();
}

void RedisWatch::ComeBack() {
  const auto now = Clock::now();
  away_ = false;
  delay_.NoteReturn(now);
  metrics_.away.Set(0);
  log::Info("ring_return", {{"answers_for_ms", Milliseconds(now - steady_since_)}});
  handlers_.come_back();
}

void RedisWatch::ShowDelay() { metrics_.return_delay.Set(std::chrono::duration<double>(delay_.current()).count()); }

}  // namespace parley::router
