#include <utility>

#include "libs/base/coarse_clock.h"
#include "libs/base/log.h"
#include "libs/storage/lease.h"

namespace parley::storage {
namespace {

using Clock = std::chrono::steady_clock;

// ARGV: member, ttl in ms, "take" or "keep". A lease that lapsed is not kept: somebody may have acted on it.
const Script& HoldScript() {
  static const Script script(R"(
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    if ARGV[3] == 'keep' then
      local lapses = redis.call('ZSCORE', KEYS[1], ARGV[1])
      if not lapses or tonumber(lapses) <= now then return 0 end
    end
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
    return 1)");
  return script;
}

// Left in place as lapsed: a lease that is missing before its time looks like lost data.
const Script& ReleaseScript() {
  static const Script script(R"(
    local time = redis.call('TIME')
    return redis.call('ZADD', KEYS[1], 'XX', time[1] * 1000 + math.floor(time[2] / 1000) - 1, ARGV[1]))");
  return script;
}

// Of one run of one server, as `INFO server` tells it; empty: it does not say.
std::string RunId(const Result<Reply>& info) {
  constexpr std::string_view kName = "run_id:";
  if (!info) return {};
  const auto at = info->text.find(kName);
  if (at == std::string::npos) return {};
  const auto value = at + kName.size();
  return info->text.substr(value, info->text.find_first_of("\r\n", value) - value);
}

}  // namespace

struct NodeLease::State : std::enable_shared_from_this<State> {
  State(Loop& loop_, Redis& redis_, std::string instance_, std::string process_, LeaseOptions options_,
        std::function<void(const std::string&)> changed_)
      : loop(loop_),
        redis(redis_),
        instance(std::move(instance_)),
        process(std::move(process_)),
        options(options_),
        changed(std::move(changed_)) {}

  Loop& loop;
  Redis& redis;
  const std::string instance;
  const std::string process;
  const LeaseOptions options;
  std::function<void(const std::string&)> changed;
  std::string epoch;
  std::string failure;           // of the last attempt by this connection, as Redis said it
  std::string run_id;            // of the Redis that we were connected to last
  int taken = 0;                 // raised only when one is: an attempt that seemed to fail may have worked
  Clock::time_point held_until;  // not later than what Redis has
  bool asking = false;
  bool stopped = false;
  Loop::Timer timer;

  bool Held() const { return CoarseNow() + kCoarseTick < held_until; }
  std::string NextEpoch() const { return process + "." + std::to_string(taken + 1); }
  void OnConnected();
  void Identify();
  void OnIdentified(const Result<Reply>& info);
  void Hold();
  void Send(const std::string& wanted);
  void OnAnswer(const std::string& wanted, Clock::time_point asked, const Result<Reply>& reply);
};

// What was said of the lease by a former connection says nothing of this one.
void NodeLease::State::OnConnected() {
  failure.clear();
  Identify();
}

// Another server, or the same one once more: a promoted replica, or what was restored from a log, may lack what was
// said last, the sessions that were bound since among them, and still have the lease.
void NodeLease::State::Identify() {
  if (stopped || asking) return;
  asking = true;
  redis.Command({"INFO", "server"}, [weak = weak_from_this()](const Result<Reply>& info) {
    if (const auto self = weak.lock()) self->OnIdentified(info);
  });
}

// Who does not say who it is (a rule of Redis' ACL forbids it) may be another one each time.
void NodeLease::State::OnIdentified(const Result<Reply>& info) {
  asking = false;
  if (stopped || !redis.up()) return;
  std::string now = RunId(info);
  if (!epoch.empty() && (now.empty() || now != run_id)) {
    log::Info("redis_is_another", {{"run_id", now}, {"before", run_id}});
    held_until = {};
  }
  run_id = std::move(now);
  Hold();
}

void NodeLease::State::Hold() {
  if (stopped || asking || !redis.up()) return;
  // After our own clock says that it lapsed, even an answer that it still stands would come too late.
  Send(Held() ? epoch : NextEpoch());
}

void NodeLease::State::Send(const std::string& wanted) {
  asking = true;
  const std::string member = instance + "/" + wanted;
  const std::string ttl = std::to_string(options.ttl.count());
  redis.Eval(HoldScript(), {kNodesKey}, {member, ttl, wanted == epoch ? "keep" : "take"},
             [weak = weak_from_this(), wanted, asked = Clock::now()](const Result<Reply>& reply) {
               if (const auto self = weak.lock()) self->OnAnswer(wanted, asked, reply);
             });
}

void NodeLease::State::OnAnswer(const std::string& wanted, Clock::time_point asked, const Result<Reply>& reply) {
  asking = false;
  if (stopped) return;
  failure = reply ? "" : reply.error().message();
  if (!reply) {
    log::Warn("lease_refresh_failed", {{"reason", failure}});
    return;
  }
  if (reply->integer == 0) {
    log::Warn("lease_lapsed", {{"epoch", wanted}});
    held_until = {};
    return Send(NextEpoch());
  }
  held_until = asked + options.ttl;
  if (wanted == epoch) return;
  log::Info("lease_taken", {{"epoch", wanted}, {"before", epoch}});
  epoch = wanted;
  ++taken;
  changed(epoch);
}

NodeLease::NodeLease(Loop& loop, Redis& redis, std::string instance, std::string process, LeaseOptions options,
                     std::function<void(const std::string& epoch)> changed)
    : state_(
          std::make_shared<State>(loop, redis, std::move(instance), std::move(process), options, std::move(changed))) {
  state_->timer = loop.Every(options.refresh, [state = state_.get()] { state->Hold(); });
  redis.OnState([weak = std::weak_ptr(state_)](bool up) {
    if (const auto state = weak.lock(); state && up) state->OnConnected();
  });
}

NodeLease::~NodeLease() {
  state_->stopped = true;
  state_->timer.Cancel();
}

const std::string& NodeLease::epoch() const { return state_->epoch; }
bool NodeLease::held() const { return state_->Held(); }
const std::string& NodeLease::failure() const { return state_->redis.up() ? state_->failure : state_->redis.failure(); }

void NodeLease::Release(std::function<void()> done) {
  state_->stopped = true;
  state_->timer.Cancel();
  state_->held_until = {};
  const std::string member = state_->instance + "/" + state_->epoch;
  state_->redis.Eval(ReleaseScript(), {kNodesKey}, {member}, [done = std::move(done)](const Result<Reply>& reply) {
    if (!reply) log::Warn("lease_release_failed", {{"reason", reply.error().message()}});
    done();
  });
}

}  // namespace parley::storage
