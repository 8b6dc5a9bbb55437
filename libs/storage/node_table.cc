#include <charconv>
#include <map>

#include "libs/base/log.h"
#include "libs/storage/lease.h"

namespace parley::storage {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Lapsed leases stay for so many ttls, so that every table sees them lapse.
constexpr int kKeepLapsed = 20;
// An answer that is older than so many polls says nothing about now: we were stopped.
constexpr int kFreshPolls = 4;

// ARGV: ttls to keep, in ms. Answers Redis' time, then each member and the time at which its lease lapses.
const Script& PollScript() {
  static const Script script(R"(
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
    local answer = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
    table.insert(answer, 1, now)
    return answer)");
  return script;
}

std::int64_t ParseTime(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

NodeTable::Node ParseMember(const std::string& member) {
  const auto slash = member.find('/');
  if (slash == std::string::npos) return {member, ""};
  return {member.substr(0, slash), member.substr(slash + 1)};
}

}  // namespace

struct NodeTable::State : std::enable_shared_from_this<State> {
  // A lease that was seen alive and not reported as lapsed yet.
  struct Lease {
    std::int64_t lapses = 0;  // by Redis' clock
    bool alive = true;
  };

  State(Loop& loop_, Redis& redis_, LeaseOptions options_, milliseconds poll_, std::function<void(const Node&)> lapsed_)
      : loop(loop_), redis(redis_), options(options_), poll(poll_), lapsed(std::move(lapsed_)) {}

  Loop& loop;
  Redis& redis;
  const LeaseOptions options;
  const milliseconds poll;
  std::function<void(const Node&)> lapsed;
  std::map<std::string, Lease, std::less<>> leases;
  bool asking = false;
  bool answering = false;         // since the connection came up
  Clock::time_point asked_at;     // of the last answer
  Clock::time_point whole_since;  // Redis answers, with all its data
  bool gone = false;
  Loop::Timer timer;

  void Poll();
  void OnAnswer(Clock::time_point asked, const Result<Reply>& reply);
  bool Update(std::int64_t now, const std::vector<Reply>& answer);
  void ReportLapsed();
  bool Fresh() const { return answering && Clock::now() - asked_at < poll * kFreshPolls; }
  bool MayJudge() const { return Fresh() && asked_at - whole_since >= options.ttl; }
};

void NodeTable::State::Poll() {
  if (asking || !redis.up()) return;
  asking = true;
  const std::string keep = std::to_string((options.ttl * kKeepLapsed).count());
  redis.Eval(PollScript(), {kNodesKey}, {keep},
             [weak = weak_from_this(), asked = Clock::now()](const Result<Reply>& reply) {
               if (const auto self = weak.lock(); self && !self->gone) self->OnAnswer(asked, reply);
             });
}

void NodeTable::State::OnAnswer(Clock::time_point asked, const Result<Reply>& reply) {
  asking = false;
  if (!reply || reply->items.empty()) {
    answering = false;
    return;
  }
  const bool was_stopped = asked - asked_at > poll * kFreshPolls;
  const bool whole = Update(reply->items.front().integer, reply->items);
  if (!answering || was_stopped || !whole) whole_since = asked;
  answering = true;
  asked_at = asked;
  if (MayJudge()) ReportLapsed();
}

// False: leases are missing before their time, so Redis lost its data and the edges have not come back yet.
bool NodeTable::State::Update(std::int64_t now, const std::vector<Reply>& answer) {
  auto before = std::move(leases);
  leases.clear();
  for (std::size_t i = 1; i + 1 < answer.size(); i += 2) {
    const std::int64_t lapses = ParseTime(answer[i + 1].text);
    const bool alive = lapses > now;
    // One that had lapsed before we saw it is none of ours.
    if (before.erase(answer[i].text) == 0 && !alive) continue;
    leases[answer[i].text] = {lapses, alive};
  }
  bool whole = true;
  for (auto& [member, lease] : before) {
    if (lease.alive && lease.lapses > now) whole = false;
    lease.alive = false;
    leases.emplace(member, lease);
  }
  if (!whole) log::Warn("leases_vanished", {{"known", before.size()}});
  return whole;
}

void NodeTable::State::ReportLapsed() {
  std::vector<Node> gone_nodes;
  for (auto lease = leases.begin(); lease != leases.end();) {
    if (lease->second.alive) {
      ++lease;
      continue;
    }
    gone_nodes.push_back(ParseMember(lease->first));
    lease = leases.erase(lease);
  }
  const auto self = shared_from_this();
  for (const Node& node : gone_nodes) {
    if (gone) return;
    log::Info("lease_lapsed", {{"node", node.instance}, {"epoch", node.epoch}});
    lapsed(node);
  }
}

NodeTable::NodeTable(Loop& loop, Redis& redis, LeaseOptions options, milliseconds poll,
                     std::function<void(const Node&)> lapsed)
    : state_(std::make_shared<State>(loop, redis, options, poll, std::move(lapsed))) {
  state_->timer = loop.Every(poll, [state = state_.get()] { state->Poll(); });
  redis.OnState([weak = std::weak_ptr(state_)](bool up) {
    const auto state = weak.lock();
    if (!state) return;
    state->answering = false;
    if (up) state->Poll();
  });
}

NodeTable::~NodeTable() {
  state_->gone = true;
  state_->timer.Cancel();
}

NodeTable::Verdict NodeTable::Judge(std::string_view instance, std::string_view epoch) const {
  if (!state_->Fresh()) return Verdict::kUnknown;
  std::string member(instance);
  member += '/';
  member += epoch;
  const auto lease = state_->leases.find(member);
  if (lease != state_->leases.end() && lease->second.alive) return Verdict::kAlive;
  return state_->MayJudge() ? Verdict::kLapsed : Verdict::kUnknown;
}

bool NodeTable::known() const { return state_->Fresh(); }

std::vector<NodeTable::Node> NodeTable::nodes() const {
  std::vector<Node> alive;
  for (const auto& [member, lease] : state_->leases) {
    if (lease.alive) alive.push_back(ParseMember(member));
  }
  return alive;
}

}  // namespace parley::storage
