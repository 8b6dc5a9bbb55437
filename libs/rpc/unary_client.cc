#include "libs/rpc/unary_client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "libs/rpc/channel.h"
#include "libs/rpc/poller.h"
#include "libs/rpc/security.h"
#include "libs/rpc/security_state.h"
#include "libs/telemetry/metrics.h"

namespace parley::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// Between two rounds over all replicas.
constexpr std::chrono::milliseconds kRoundPause{100};
// So many times link.patience a replica that was not answering is not asked, if another can be.
constexpr int kPassedOver = 4;

// One call to one replica.
class UnaryCall final : public Call {
 public:
  using Finished = std::function<void(const grpc::Status&, std::string)>;
  static void Start(Poller& poller, std::shared_ptr<grpc::Channel> channel, const std::string& method,
                    const std::string& body, std::chrono::milliseconds timeout, const Security* security,
                    Finished finished) {
    auto& call = poller.Adopt(std::make_unique<UnaryCall>(poller, std::move(channel), std::move(finished)));
    call.context_.set_deadline(std::chrono::system_clock::now() + timeout);
    ShowToken(security, call.context_);
    grpc::Slice slice(body);
    call.reader_ = call.stub_.PrepareUnaryCall(&call.context_, method, grpc::ByteBuffer(&slice, 1), &poller.queue());
    call.reader_->StartCall();
    call.reader_->Finish(&call.response_, &call.status_, &call.finish_);
  }
  UnaryCall(Poller& poller, std::shared_ptr<grpc::Channel> channel, Finished finished)
      : poller_(poller), channel_(std::move(channel)), stub_(channel_), finished_(std::move(finished)) {}
  void Cancel() override { context_.TryCancel(); }

 private:
  void OnFinished(bool) {
    std::string body;
    std::vector<grpc::Slice> slices;
    if (status_.ok() && response_.Dump(&slices).ok()) {
      for (const auto& slice : slices) body.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    finished_(status_, std::move(body));
    poller_.Release(this);
  }

  Poller& poller_;
  // Before the call, which uses it.
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  Operation<UnaryCall> finish_{this, &UnaryCall::OnFinished};
  Finished finished_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
};

prometheus::Counter* KeptOf(const UnaryClient::Options& options) {
  if (options.link.metrics == nullptr) return nullptr;
  return &options.link.metrics->Counter("parley_calls_kept_total", "Calls not answered within link.patience",
                                        {{"service", options.service}});
}

// It failed before the request left.
bool NeverSent(const grpc::Status& status) {
  return status.error_message().starts_with("failed to connect") ||
         status.error_message().find("connections to all backends failing") != std::string::npos;
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
  // One way to call a replica.
  struct Way {
    std::shared_ptr<grpc::Channel> channel;
    std::shared_ptr<const Security> security;
    Clock::time_point passed_over_until{};
  };
  using Ways = std::map<std::pair<std::string, bool>, Way>;  // by address, and whether in the clear

  void OnDiscovered(const std::vector<std::string>& addresses);
  std::pair<const Ways::key_type, Way>& NextWay();
  void Try(const Asked& question);
  void Await(const Asked& question, const Ways::key_type& asked);
  void OnKept(const Asked& question, const Ways::key_type& asked);
  void Hurry(const Asked& question);
  bool AnyAnswers() const;
  void Pause(const Asked& question);
  void OnFinished(const Asked& question, std::uint64_t call, const grpc::Status& status, std::string body);
  void Answer(const Asked& question, Result<std::string> answer);
  std::chrono::milliseconds AttemptTimeout(const Question& question) const;

  Loop& loop;
  const Options options;
  prometheus::Counter* const kept = KeptOf(options);
  Ways ways;
  std::size_t turn = 0;
  std::uint32_t pending = 0;
  bool closed = false;
  std::shared_ptr<Poller> poller;
  std::unique_ptr<Discovery> discovery;
};

void UnaryClient::State::OnDiscovered(const std::vector<std::string>& addresses) {
  Ways current;
  const auto add = [&](const std::string& address, bool clear, std::shared_ptr<const Security> security) {
    const auto known = ways.find({address, clear});
    LinkOptions link = options.link;
    link.security = security;
    current[{address, clear}] =
        known != ways.end() ? known->second : Way{MakeChannel(link, address, options.service), std::move(security)};
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
std::pair<const UnaryClient::State::Ways::key_type, UnaryClient::State::Way>& UnaryClient::State::NextWay() {
  const auto next = [this]() -> auto& {
    return *std::next(ways.begin(), static_cast<std::ptrdiff_t>(turn++ % ways.size()));
  };
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (auto& way = next(); way.second.passed_over_until <= Clock::now()) return way;
  }
  return next();
}

void UnaryClient::State::Try(const Asked& question) {
  if (question->deadline <= Clock::now()) return Answer(question, question->last_error);
  if (question->tried >= ways.size()) return Pause(question);
  ++question->tried;
  const auto& [replica, way] = NextWay();
  if (!poller) poller = Poller::Of(loop);
  UnaryCall::Start(
      *poller, way.channel, question->method, question->body, AttemptTimeout(*question), way.security.get(),
      [weak = weak_from_this(), question, call = ++question->calls](const grpc::Status& status, std::string body) {
        const auto self = weak.lock();
        if (self && !self->closed) self->OnFinished(question, call, status, std::move(body));
      });
  Await(question, replica);
}

void UnaryClient::State::Await(const Asked& question, const Ways::key_type& asked) {
  question->impatience = loop.After(options.link.patience, [weak = weak_from_this(), question, asked] {
    const auto self = weak.lock();
    if (self && !self->closed) self->OnKept(question, asked);
  });
}

bool UnaryClient::State::AnyAnswers() const {
  const auto answers = [now = Clock::now()](const auto& way) { return way.second.passed_over_until <= now; };
  return std::any_of(ways.begin(), ways.end(), answers);
}

// It hangs (stopped, cut off, or what it needs is), or has much to do.
void UnaryClient::State::OnKept(const Asked& question, const Ways::key_type& asked) {
  const auto way = ways.find(asked);
  if (kept != nullptr) kept->Increment();
  if (way != ways.end()) way->second.passed_over_until = Clock::now() + kPassedOver * options.link.patience;
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

void UnaryClient::State::Pause(const Asked& question) {
  question->tried = 0;
  question->pause = loop.After(kRoundPause, [weak = weak_from_this(), question] {
    const auto self = weak.lock();
    if (self && !self->closed) self->Try(question);
  });
}

void UnaryClient::State::OnFinished(const Asked& question, std::uint64_t call, const grpc::Status& status,
                                    std::string body) {
  if (question->answered) return;
  if (status.ok()) return Answer(question, std::move(body));
  if (call != question->calls) return;  // another replica has been asked since
  question->impatience.Cancel();
  question->last_error = Error(status.error_message().empty() ? "the call failed" : status.error_message());
  const bool gone = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                    status.error_code() == grpc::StatusCode::CANCELLED ||
                    status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  if (gone && (question->in_doubt == InDoubt::kRepeat || NeverSent(status))) return Try(question);
  Answer(question, question->last_error);
}

void UnaryClient::State::Answer(const Asked& question, Result<std::string> answer) {
  --pending;
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
