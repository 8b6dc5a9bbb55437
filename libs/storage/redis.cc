#include "libs/storage/redis.h"

#include <openssl/sha.h>

#include <algorithm>
#include <deque>
#include <random>
#include <span>
#include <unordered_set>
#include <utility>

#include "libs/base/log.h"
#include "libs/storage/redis_connection.h"

namespace parley::storage {

Script::Script(std::string source) : source_(std::make_shared<const std::string>(std::move(source))) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(source_->data()), source_->size(), digest);
  constexpr char kHex[] = "0123456789abcdef";
  for (unsigned char byte : digest) {
    sha1_ += kHex[byte >> 4];
    sha1_ += kHex[byte & 15];
  }
}

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kInvalidateChannel = "__redis__:invalidate";

// What Eval was asked, kept until its reply in case that Redis has forgotten the script.
struct Evaluation {
  std::shared_ptr<const std::string> source;
  std::string sha1;
  std::vector<std::string> arguments;  // number of keys, keys, arguments
  Redis::Done done;
  bool in_full = false;
};

// A command that waits for the scripts before it.
struct Waiting {
  std::vector<std::string> words;
  std::shared_ptr<Evaluation> evaluation;  // instead of words
  Redis::Done done;
};

std::vector<std::string_view> Views(std::string_view first, std::string_view second,
                                    const std::vector<std::string>& rest) {
  std::vector<std::string_view> words{first, second};
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

// Of a line "id=7 addr=127.0.0.1:50000 laddr=...".
std::string FieldOf(std::string_view line, std::string_view name) {
  const auto at = line.starts_with(name) ? 0 : line.find(" " + std::string(name));
  if (at == std::string_view::npos) return {};
  const auto value = line.substr(line.find('=', at) + 1);
  return std::string(value.substr(0, value.find(' ')));
}

}  // namespace

struct Redis::State : std::enable_shared_from_this<State> {
  State(Loop& loop_, RedisOptions options_) : loop(loop_), options(std::move(options_)) {}

  Loop& loop;
  const RedisOptions options;
  RedisCounters counters;
  std::function<void(const std::string*)> invalidated;
  std::vector<std::function<void(bool)>> listeners;
  std::function<void(Clock::duration)> replied;
  std::unique_ptr<RedisConnection> subscriber;  // while Track()ing
  std::unique_ptr<RedisConnection> connection;
  bool up = false;
  bool closing = false;
  bool gone = false;  // the Redis object is: no more callbacks
  std::string last_failure;
  int attempts = 0;
  Clock::time_point ready_at;
  Loop::Timer reconnect;
  std::minstd_rand random{std::random_device()()};
  std::string client_id;    // of the last connection, as Redis
  std::string client_addr;  // calls it

  std::unordered_set<std::string> scripts;  // that this connection has sent in full
  // After NOSCRIPT: how many replies are awaited of what was sent before; until then everything new waits.
  std::size_t fence = 0;
  std::vector<std::shared_ptr<Evaluation>> again;
  std::deque<Waiting> waiting;

  void Start();
  void Subscribe();
  void OnSubscriberReady();
  void Connect(std::vector<RedisConnection::Words> setup);
  void OnReady();
  void Fence();
  void OnClosed(const std::string& reason);
  void OnMessage(const Reply& message);
  std::string Refusal() const;
  void Fail(Done done, std::string reason);
  void Send(std::span<const std::string_view> words, Done done);
  void Evaluate(std::shared_ptr<Evaluation> evaluation);
  void OnEvaluated(const std::shared_ptr<Evaluation>& evaluation, Result<Reply> reply, Clock::time_point sent);
  void CountReply(const Result<Reply>& reply, Clock::time_point sent);
  void LowerFence();
};

void Redis::State::Start() {
  if (invalidated) {
    Subscribe();
  } else {
    Connect({});
  }
}

// The connection that gets the invalidations comes first: the other one is told its id.
void Redis::State::Subscribe() {
  RedisConnection::Events events;
  events.ready = [this] { OnSubscriberReady(); };
  events.closed = [this](const std::string& reason) { OnClosed(reason); };
  events.message = [this](const Reply& message) { OnMessage(message); };
  subscriber = std::make_unique<RedisConnection>(loop, options, std::vector<RedisConnection::Words>(),
                                                 std::move(events), counters);
}

void Redis::State::OnSubscriberReady() {
  static constexpr std::string_view kId[] = {"CLIENT", "ID"};
  static constexpr std::string_view kSubscribe[] = {"SUBSCRIBE", kInvalidateChannel};
  auto id = std::make_shared<std::string>();
  subscriber->Send(kId, [id](const Result<Reply>& reply) {
    if (reply) *id = std::to_string(reply->integer);
  });
  subscriber->Send(kSubscribe, [self = shared_from_this(), id](const Result<Reply>& reply) {
    if (!self->subscriber) return;
    if (!reply || id->empty()) {
      return self->subscriber->Close("cannot subscribe: " + (reply ? "no client id" : reply.error().message()));
    }
    self->Connect({{"CLIENT", "TRACKING", "ON", "REDIRECT", *id, "NOLOOP"}});
  });
}

void Redis::State::Connect(std::vector<RedisConnection::Words> setup) {
  RedisConnection::Events events;
  events.ready = [this] { OnReady(); };
  events.closed = [this](const std::string& reason) { OnClosed(reason); };
  connection = std::make_unique<RedisConnection>(loop, options, std::move(setup), std::move(events), counters);
}

void Redis::State::OnReady() {
  const auto self = shared_from_this();
  Fence();
  up = true;
  ready_at = Clock::now();
  last_failure.clear();
  ++counters.connects;
  log::Info("redis_connected", {{"host", options.unix_socket.empty() ? options.host : options.unix_socket}});
  for (std::size_t i = 0; i < listeners.size() && up; ++i) listeners[i](true);
}

// What the last connection had under way, in some buffer between here and Redis, may not be done after what comes now:
// it was decided on by what was true then. Both of id and address, lest another Redis takes it for one of its own.
void Redis::State::Fence() {
  static constexpr std::string_view kInfo[] = {"CLIENT", "INFO"};
  const std::string_view kill[] = {"CLIENT", "KILL", "ID", client_id, "ADDR", client_addr};
  if (!client_id.empty()) {
    connection->Send(kill, [](const Result<Reply>& reply) {
      if (!reply) log::Warn("redis_old_connection_not_killed", {{"reason", reply.error().message()}});
    });
  }
  connection->Send(kInfo, [self = shared_from_this()](const Result<Reply>& reply) {
    if (!reply) return;  // the one before is killed again
    self->client_id = FieldOf(reply->text, "id=");
    self->client_addr = FieldOf(reply->text, "addr=");
  });
}

// Of either connection: tracking needs both, so both are made anew.
void Redis::State::OnClosed(const std::string& reason) {
  if (closing || gone) return;
  const auto self = shared_from_this();
  const bool was_up = std::exchange(up, false);
  scripts.clear();
  fence = 0;
  closing = true;
  // The one that broke is still on the stack.
  for (auto* closing : {&connection, &subscriber}) {
    if (!*closing) continue;
    std::shared_ptr<RedisConnection> doomed = std::move(*closing);
    doomed->Close(reason);
    loop.Post([doomed] {});
  }
  closing = false;
  auto evaluations = std::move(again);
  auto commands = std::move(waiting);
  again.clear();
  waiting.clear();
  for (auto& evaluation : evaluations) Fail(std::move(evaluation->done), Unanswered(reason));
  for (auto& command : commands) {
    Fail(std::move(command.evaluation ? command.evaluation->done : command.done), Unanswered(reason));
  }
  // Not each attempt of a long outage.
  if (was_up || reason != last_failure) log::Warn(was_up ? "redis_lost" : "redis_connect_failed", {{"reason", reason}});
  last_failure = reason;
  // One that is lost at once is none: a replica's, which takes no writes.
  if (was_up && Clock::now() - ready_at > options.reconnect_max) attempts = 0;
  const auto limit = std::min(options.reconnect_max, options.reconnect_min * (1 << std::min(attempts++, 16)));
  // Between half and all of it, so that processes that lost the same Redis do not come back in step.
  const auto delay = limit / 2 + limit * std::uniform_int_distribution<int>(0, 500)(random) / 1000;
  reconnect = loop.After(delay, [this] { Start(); });
  if (!was_up) return;
  if (invalidated && !gone) invalidated(nullptr);
  for (std::size_t i = 0; i < listeners.size() && !gone; ++i) listeners[i](false);
}

void Redis::State::OnMessage(const Reply& message) {
  if (message.items.size() != 3) return;
  const auto self = shared_from_this();
  const Reply& keys = message.items[2];
  if (keys.kind != Reply::Kind::kArray) {  // FLUSHALL, FLUSHDB
    ++counters.invalidations;
    return invalidated(nullptr);
  }
  for (const Reply& key : keys.items) {
    if (gone) return;
    ++counters.invalidations;
    invalidated(&key.text);
  }
}

// Why a command cannot be taken now; empty: it can.
std::string Redis::State::Refusal() const {
  if (!up) return Unanswered("not connected" + (last_failure.empty() ? "" : " (" + last_failure + ")"));
  if (connection->pending() + waiting.size() + again.size() >= options.max_pending)
    return Unanswered("too many commands");
  return "";
}

void Redis::State::Fail(Done done, std::string reason) {
  loop.Post([weak = weak_from_this(), done = std::move(done), reason = std::move(reason)] {
    if (const auto self = weak.lock(); self && !self->gone) done(Error(reason));
  });
}

void Redis::State::Send(std::span<const std::string_view> words, Done done) {
  ++counters.commands;
  connection->Send(words,
                   [self = shared_from_this(), done = std::move(done), sent = Clock::now()](Result<Reply> reply) {
                     if (self->gone) return;
                     self->CountReply(reply, sent);
                     done(std::move(reply));
                     self->LowerFence();
                   });
}

void Redis::State::Evaluate(std::shared_ptr<Evaluation> evaluation) {
  evaluation->in_full = scripts.insert(evaluation->sha1).second;
  ++counters.commands;
  counters.scripts_sent += evaluation->in_full;
  const auto words = evaluation->in_full ? Views("EVAL", *evaluation->source, evaluation->arguments)
                                         : Views("EVALSHA", evaluation->sha1, evaluation->arguments);
  connection->Send(words, [self = shared_from_this(), evaluation, sent = Clock::now()](Result<Reply> reply) {
    self->OnEvaluated(evaluation, std::move(reply), sent);
  });
}

void Redis::State::CountReply(const Result<Reply>& reply, Clock::time_point sent) {
  if (!reply) ++counters.errors;
  // Replies come together, and a look at the clock costs as much as a short command.
  if (replied) replied((reply ? connection->last_heard() : Clock::now()) - sent);
}

void Redis::State::OnEvaluated(const std::shared_ptr<Evaluation>& evaluation, Result<Reply> reply,
                               Clock::time_point sent) {
  if (gone) return;
  if (!reply && up && !evaluation->in_full && reply.error().message().starts_with("NOSCRIPT")) {
    scripts.clear();
    // This reply's command is no longer among the pending ones.
    if (again.empty() && fence == 0) fence = connection->pending() + 1;
    again.push_back(evaluation);
    return LowerFence();
  }
  CountReply(reply, sent);
  evaluation->done(std::move(reply));
  LowerFence();
}

// One more reply of those sent before the scripts were lost; after the last one things go on in order.
void Redis::State::LowerFence() {
  if (!up || fence == 0 || --fence > 0) return;
  auto evaluations = std::exchange(again, {});
  for (auto& evaluation : evaluations) Evaluate(std::move(evaluation));
  auto commands = std::exchange(waiting, {});
  for (auto& command : commands) {
    if (command.evaluation) {
      Evaluate(std::move(command.evaluation));
    } else {
      Send(std::vector<std::string_view>(command.words.begin(), command.words.end()), std::move(command.done));
    }
  }
}

Redis::Redis(Loop& loop, RedisOptions options) : state_(std::make_shared<State>(loop, std::move(options))) {
  // Track() may be called first.
  loop.Post([weak = std::weak_ptr(state_)] {
    if (auto state = weak.lock(); state && !state->connection && !state->subscriber) state->Start();
  });
}

Redis::~Redis() {
  state_->gone = true;
  state_->up = false;
  state_->reconnect.Cancel();
  // Also lets go of the callbacks, which hold the state.
  state_->connection.reset();
  state_->subscriber.reset();
}

std::string Explain(const Error& error) {
  const std::string_view reason = error.message();
  if (!reason.starts_with(kUnanswered)) return "Redis refuses it: " + error.message();
  return "Redis cannot be reached: " + std::string(reason.substr(kUnanswered.size()));
}

void LogFailure(Result<Reply> reply) {
  if (!reply) log::Warn("redis_command_failed", {{"reason", reply.error().message()}});
}

void Redis::Command(const std::vector<std::string_view>& words, Done done) {
  if (auto refusal = state_->Refusal(); !refusal.empty()) {
    ++state_->counters.rejected;
    return state_->Fail(std::move(done), std::move(refusal));
  }
  if (state_->fence == 0) return state_->Send(words, std::move(done));
  state_->waiting.push_back({{words.begin(), words.end()}, nullptr, std::move(done)});
}

void Redis::Eval(const Script& script, const std::vector<std::string_view>& keys,
                 const std::vector<std::string_view>& arguments, Done done) {
  if (auto refusal = state_->Refusal(); !refusal.empty()) {
    ++state_->counters.rejected;
    return state_->Fail(std::move(done), std::move(refusal));
  }
  auto evaluation = std::make_shared<Evaluation>();
  evaluation->source = script.source_;
  evaluation->sha1 = script.sha1_;
  auto& words = evaluation->arguments;
  words.reserve(1 + keys.size() + arguments.size());
  words.push_back(std::to_string(keys.size()));
  words.insert(words.end(), keys.begin(), keys.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  evaluation->done = std::move(done);
  if (state_->fence == 0) return state_->Evaluate(std::move(evaluation));
  state_->waiting.push_back({{}, std::move(evaluation), {}});
}

void Redis::Track(std::function<void(const std::string* key)> invalidated) {
  state_->invalidated = std::move(invalidated);
  // Began without: once more, with.
  state_->loop.Post([weak = std::weak_ptr(state_)] {
    const auto state = weak.lock();
    if (state && state->connection && !state->subscriber) state->connection->Close("client tracking is wanted");
  });
}

void Redis::OnState(std::function<void(bool up)> changed) {
  state_->listeners.push_back(std::move(changed));
  if (!state_->up) return;
  state_->loop.Post([weak = std::weak_ptr(state_), index = state_->listeners.size() - 1] {
    if (auto state = weak.lock(); state && state->up) state->listeners[index](true);
  });
}

void Redis::OnReply(std::function<void(Clock::duration)> replied) { state_->replied = std::move(replied); }
bool Redis::up() const { return state_->up; }
const std::string& Redis::failure() const { return state_->last_failure; }
std::size_t Redis::pending() const { return state_->connection ? state_->connection->pending() : 0; }
const RedisCounters& Redis::counters() const { return state_->counters; }

}  // namespace parley::storage
