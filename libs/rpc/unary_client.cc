#include "libs/rpc/unary_client.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "libs/rpc/dial_identity.h"
#include "libs/rpc/http2.h"
#include "libs/rpc/security.h"

namespace parley::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// Between two rounds over all replicas.
constexpr std::chrono::milliseconds kRoundPause{100};

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

// It failed before the request left.
bool NeverSent(const CallStatus& status) { return status.message.starts_with("failed to connect"); }

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
    Error last_error{"no replica is known"};
    Loop::Timer pause;
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
    std::shared_ptr<Http2> connection;
  };
  using Ways = std::map<std::pair<std::string, bool>, std::shared_ptr<Way>>;  // by address, and whether in the clear

  void OnDiscovered(const std::vector<std::string>& addresses);
  void Try(const Asked& question);
  void Pause(const Asked& question);
  void OnFinished(const Asked& question, const CallStatus& status, std::string body);
  Http2& ConnectionTo(const std::string& address, Way& way);
  void Answer(const Asked& question, Result<std::string> answer);
  std::chrono::milliseconds AttemptTimeout(const Question& question) const;

  Loop& loop;
  const Options options;
  Ways ways;
  std::size_t turn = 0;
  std::uint32_t pending = 0;
  bool closed = false;
  std::unique_ptr<Discovery> discovery;
};

void UnaryClient::State::OnDiscovered(const std::vector<std::string>& addresses) {
  Ways current;
  const auto add = [&](const std::string& address, bool clear, std::shared_ptr<const Security> security) {
    const auto known = ways.find({address, clear});
    auto& way = current[{address, clear}];
    way = known != ways.end() ? known->second : std::make_shared<Way>(std::move(security), nullptr);
  };
  const auto clear = options.security ? options.security->in_the_clear() : nullptr;
  for (const auto& address : addresses) {
    add(address, false, options.security);
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

void UnaryClient::State::Try(const Asked& question) {
  if (question->deadline <= Clock::now()) return Answer(question, question->last_error);
  if (question->tried >= ways.size()) return Pause(question);
  ++question->tried;
  const auto& [key, way] = *std::next(ways.begin(), static_cast<std::ptrdiff_t>(turn++ % ways.size()));
  UnaryCall::Start(loop, ConnectionTo(key.first, *way), question->method, question->body, AttemptTimeout(*question),
                   [weak = weak_from_this(), question](const CallStatus& status, std::string body) {
                     const auto self = weak.lock();
                     if (self && !self->closed) self->OnFinished(question, status, std::move(body));
                   });
}

// Dials when it is needed, and again when it has gone.
Http2& UnaryClient::State::ConnectionTo(const std::string& address, Way& way) {
  if (!way.connection || way.connection->closing()) {
    way.connection =
        Http2::Dial(loop, address, IdentityToDial(way.security.get(), options.service), Http2::Options(LinkOptions()));
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

void UnaryClient::State::OnFinished(const Asked& question, const CallStatus& status, std::string body) {
  if (status.ok()) return Answer(question, std::move(body));
  question->last_error = Error(status.message.empty() ? "the call failed" : status.message);
  const bool gone = status.code == CallStatus::kUnavailable || status.code == CallStatus::kCancelled ||
                    status.code == CallStatus::kDeadlineExceeded;
  if (gone && (question->in_doubt == InDoubt::kRepeat || NeverSent(status))) return Try(question);
  Answer(question, question->last_error);
}

void UnaryClient::State::Answer(const Asked& question, Result<std::string> answer) {
  --pending;
  question->done(std::move(answer));
}

UnaryClient::UnaryClient(Loop& loop, Options options) : state_(std::make_shared<State>(loop, std::move(options))) {
  state_->discovery = std::make_unique<Discovery>(
      loop, state_->options.discovery,
      [state = state_.get()](const std::vector<std::string>& addresses) { state->OnDiscovered(addresses); });
}

UnaryClient::~UnaryClient() {
  state_->closed = true;
  state_->discovery.reset();
}

void UnaryClient::CallRaw(const std::string& method, std::string body, std::chrono::milliseconds timeout,
                          InDoubt in_doubt, Done done) {
  if (state_->pending >= state_->options.max_pending) {
    state_->loop.Post([done = std::move(done)] { done(Error("too many calls are under way")); });
    return;
  }
  ++state_->pending;
  auto question = std::make_shared<State::Question>();
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
