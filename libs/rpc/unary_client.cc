#include "libs/rpc/unary_client.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "libs/rpc/dial_identity.h"
#include "libs/rpc/http2.h"
#include "libs/rpc/security.h"
#include "libs/telemetry/metrics.h"

namespace parley::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// Between two rounds over all replicas. No setting: it keeps a call to replicas that all fail at once, for as long as
// the call's own time lasts, from being a busy loop.
constexpr std::chrono::milliseconds kRoundPause{100};
// So many times link.patience a replica that was not answering is not asked, if another can be. No setting of its own:
// one call in so long finds out whether it answers again, and is late by link.patience itself if it does not.
constexpr int kPassedOver = 4;

// One call to one replica.
class UnaryCall final : public ByteStream::User {
 public:
  using Finished = std::function<void(const CallStatus&, std::string)>;
  static void Start(Loop& loop, Http2& connection, const std::string& method, const std::string& body,
                    std::chrono::milliseconds timeout, Finished finished) {
    auto& stream = connection.Call(method);
    stream.Use(std::make_unique<UnaryCall>(loop, stream, body, timeout, std::move(finished)));
  }
  UnaryCall(Loop& loop, ByteStream& stream, std::string body, std::chrono::milliseconds timeout, Finished finished)
      : stream_(stream), body_(std::move(body)), finished_(std::move(finished)) {
    deadline_ = loop.After(timeout, [this] { stream_.Abort("no answer in time"); });
  }

 private:
  void OnOpen(const std::string&) override {
    stream_.WriteBytes(body_);
    stream_.Finish();
    stream_.Read();
  }
  void OnMessage(std::string_view message) override {
    if (answer_) return stream_.Abort("there is more than one answer");
    answer_ = message;
    stream_.Read();
  }
  void OnWritten() override {}
  void OnBroken(const CallStatus& status) override {
    deadline_.Cancel();
    if (status.ok() && !answer_) return finished_({CallStatus::kInternal, "there is no answer"}, {});
    finished_(status, std::move(answer_).value_or(std::string()));
  }

  ByteStream& stream_;
  const std::string body_;
  Finished finished_;
  Loop::Timer deadline_;
  std::optional<std::string> answer_;
};

prometheus::Counter* KeptOf(const UnaryClient::Options& options) {
  if (options.link.metrics == nullptr) return nullptr;
  return &options.link.metrics->Counter("parley_calls_kept_total", "Calls not answered within link.patience",
                                        {{"service", options.service}});
}

}  // namespace

struct UnaryClient::State : std::enable_shared_from_this<UnaryClient::State> {
  struct Question {
    std::string method;
    std::string body;
    std::chrono::milliseconds timeout;
    Clock::time_point deadline;
    InDoubt in_doubt;
    Done done;
    std::size_t tried = 0;  // in this round
    std::uint64_t calls = 0;
    bool hurried = false;  // once: where all are slow, more calls would make them slower
    bool answered = false;
    Error last_error{"no replica is known"};
    Loop::Timer pause;
    Loop::Timer impatience;
  };
  using Asked = std::shared_ptr<Question>;

  State(Loop& loop_, Options options_) : loop(loop_), options(std::move(options_)) {}
  ~State() {
    for (const auto& [key, way] : ways) {
      if (way->connection) way->connection->Close();
    }
  }
  // One way to call a replica.
  struct Way {
    std::shared_ptr<const Security> security;
    std::shared_ptr<Http2> connection{};
    Clock::time_point passed_over_until{};
  };
  using Ways = std::map<std::pair<std::string, bool>, std::shared_ptr<Way>>;  // by address, and whether in the clear

  void OnDiscovered(const std::vector<std::string>& addresses);
  const Ways::value_type& NextWay();
  void Try(const Asked& question);
  void Await(const Asked& question, const std::shared_ptr<Way>& asked);
  void OnKept(const Asked& question, Way& asked);
  void Hurry(const Asked& question);
  bool AnyAnswers() const;
  void Pause(const Asked& question);
  void OnFinished(const Asked& question, std::uint64_t call, const CallStatus& status, std::string body);
  Http2& ConnectionTo(const std::string& address, Way& way);
  void Answer(const Asked& question, Result<std::string> answer);
  std::chrono::milliseconds AttemptTimeout(const Question& question) const;

  Loop& loop;
  const Options options;
  const Http2::Options http2{options.link};
  prometheus::Counter* const kept = KeptOf(options);
  Ways ways;
  std::size_t turn = 0;
  std::set<Asked> open;  // not answered yet
  bool closed = false;
  std::unique_ptr<Discovery> discovery;
};

void UnaryClient::State::OnDiscovered(const std::vector<std::string>& addresses) {
  Ways current;
  const auto add = [&](const std::string& address, bool clear, std::shared_ptr<const Security> security) {
    const auto known = ways.find({address, clear});
    auto& way = current[{address, clear}];
    way = known != ways.end() ? known->second : std::make_shared<Way>(Way{std::move(security)});
  };
  const auto& own = options.link.security;
  const auto clear = own ? own->in_the_clear() : nullptr;
  for (const auto& address : addresses) {
    add(address, false, own);
    // It may not speak TLS yet (mtls.mode): the way that it does not take fails at once, and the other is tried.
    if (clear) add(address, true, clear);
  }
  ways = std::move(current);
}

std::chrono::milliseconds UnaryClient::State::AttemptTimeout(const Question& question) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(question.deadline - Clock::now());
  // A replica that hangs should leave time for another.
  if (ways.size() < 2 || question.in_doubt == InDoubt::kFail) return left;
  return std::min(left, std::max(question.timeout / 2, std::chrono::milliseconds(200)));
}

// Those that answer take turns.
const UnaryClient::State::Ways::value_type& UnaryClient::State::NextWay() {
  const auto next = [this]() -> const auto& {
    return *std::next(ways.begin(), static_cast<std::ptrdiff_t>(turn++ % ways.size()));
  };
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (const auto& way = next(); way.second->passed_over_until <= Clock::now()) return way;
  }
  return next();
}

void UnaryClient::State::Try(const Asked& question) {
  if (question->deadline <= Clock::now()) return Answer(question, question->last_error);
  if (question->tried >= ways.size()) return Pause(question);
  ++question->tried;
  const auto& [replica, way] = NextWay();
  UnaryCall::Start(
      loop, ConnectionTo(replica.first, *way), question->method, question->body, AttemptTimeout(*question),
      [weak = weak_from_this(), question, call = ++question->calls](const CallStatus& status, std::string body) {
        const auto self = weak.lock();
        if (self && !self->closed) self->OnFinished(question, call, status, std::move(body));
      });
  Await(question, way);
}

void UnaryClient::State::Await(const Asked& question, const std::shared_ptr<Way>& asked) {
  question->impatience = loop.After(options.link.patience, [weak = weak_from_this(), question, asked] {
    const auto self = weak.lock();
    if (self && !self->closed) self->OnKept(question, *asked);
  });
}

bool UnaryClient::State::AnyAnswers() const {
  const auto answers = [now = Clock::now()](const auto& way) { return way.second->passed_over_until <= now; };
  return std::any_of(ways.begin(), ways.end(), answers);
}

// It hangs (stopped, cut off, or what it needs is), or has much to do.
void UnaryClient::State::OnKept(const Asked& question, Way& asked) {
  if (kept != nullptr) kept->Increment();
  asked.passed_over_until = Clock::now() + kPassedOver * options.link.patience;
  Hurry(question);
}

void UnaryClient::State::Hurry(const Asked& question) {
  if (question->in_doubt == InDoubt::kFail || question->hurried || question->tried >= ways.size()) return;
  if (AnyAnswers()) {
    question->hurried = true;
    return Try(question);
  }
  question->impatience = loop.After(options.link.patience, [weak = weak_from_this(), question] {
    const auto self = weak.lock();
    if (self && !self->closed) self->Hurry(question);
  });
}

// Dials when it is needed, and again when it has gone.
Http2& UnaryClient::State::ConnectionTo(const std::string& address, Way& way) {
  if (!way.connection || way.connection->closing()) {
    way.connection = Http2::Dial(loop, address, IdentityToDial(way.security.get(), options.service), http2);
  }
  return *way.connection;
}

void UnaryClient::State::Pause(const Asked& question) {
  question->tried = 0;
  question->pause = loop.After(kRoundPause, [weak = weak_from_this(), question] {
    const auto self = weak.lock();
    if (self && !self->closed) self->Try(question);
  });
}

void UnaryClient::State::OnFinished(const Asked& question, std::uint64_t call, const CallStatus& status,
                                    std::string body) {
  if (question->answered) return;
  if (status.ok()) return Answer(question, std::move(body));
  if (call != question->calls) return;  // another replica has been asked since
  question->impatience.Cancel();
  question->last_error = Error(status.message.empty() ? "the call failed" : status.message);
  const bool gone = status.code == CallStatus::kUnavailable || status.code == CallStatus::kCancelled ||
                    status.code == CallStatus::kDeadlineExceeded;
  if (gone && (question->in_doubt == InDoubt::kRepeat || status.never_sent)) return Try(question);
  Answer(question, question->last_error);
}

void UnaryClient::State::Answer(const Asked& question, Result<std::string> answer) {
  open.erase(question);
  question->answered = true;
  question->impatience.Cancel();
  question->pause.Cancel();
  question->done(std::move(answer));
}

UnaryClient::UnaryClient(Loop& loop, Options options) : state_(std::make_shared<State>(loop, std::move(options))) {
  state_->discovery = std::make_unique<Discovery>(
      loop, state_->options.discovery,
      [state = state_.get()](const std::vector<std::string>& addresses) { state->OnDiscovered(addresses); });
}

UnaryClient::~UnaryClient() {
  state_->closed = true;
  // A question and what its timers are to do own each other.
  for (const auto& question : state_->open) {
    question->impatience.Cancel();
    question->pause.Cancel();
  }
  state_->discovery.reset();
}

void UnaryClient::CallRaw(const std::string& method, std::string body, std::chrono::milliseconds timeout,
                          InDoubt in_doubt, Done done) {
  if (state_->open.size() >= state_->options.link.max_pending_calls) {
    state_->http2.metrics->Reached(Http2Limit::kPendingCalls);
    state_->loop.Post([done = std::move(done)] { done(Error("too many calls are under way")); });
    return;
  }
  auto question = std::make_shared<State::Question>();
  state_->open.insert(question);
  question->method = method;
  question->body = std::move(body);
  question->timeout = timeout;
  question->deadline = Clock::now() + timeout;
  question->in_doubt = in_doubt;
  question->done = std::move(done);
  // Never from inside this call.
  state_->loop.Post([weak = std::weak_ptr(state_), question] {
    const auto state = weak.lock();
    if (state && !state->closed) state->Try(question);
  });
}

bool UnaryClient::available() const { return !state_->ways.empty(); }

}  // namespace parley::rpc
