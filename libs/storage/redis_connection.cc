#include "libs/storage/redis_connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <span>
#include <utility>

#include "libs/base/coarse_clock.h"
#include "libs/storage/lease.h"
#include "libs/storage/redis_tls.h"
#include "libs/storage/resp.h"

namespace parley::storage {
namespace {

namespace asio = boost::asio;
using asio::generic::stream_protocol;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 65536;
// A timer that is this late means that we were stopped, not that Redis is slow: what it sent is still to be read. No
// setting: it only has to be longer than a turn of the loop.
constexpr milliseconds kLate{100};

}  // namespace

struct RedisConnection::State : std::enable_shared_from_this<State> {
  struct Sent {
    Redis::Done done;
    Clock::time_point deadline;
  };

  State(Loop& loop_, const RedisOptions& options_, Events events_, RedisCounters& counters_)
      : loop(loop_), options(options_), events(std::move(events_)), counters(counters_), socket(loop.io()) {}

  Loop& loop;
  const RedisOptions options;
  Events events;
  RedisCounters& counters;
  std::vector<Words> setup;
  stream_protocol::socket socket;
  std::unique_ptr<RedisTls> tls;  // over the socket
  asio::ip::tcp::resolver resolver{loop.io()};
  std::vector<stream_protocol::endpoint> endpoints;  // still to try
  std::deque<Sent> sent;
  std::string gathered;  // leaves at the end of the turn
  std::string writing;
  RespReader reader;
  std::array<char, kReadBytes> buffer;
  Loop::Timer timer;
  Clock::time_point timer_at;
  Clock::time_point last_heard;
  bool flush_planned = false;
  bool connected = false;
  bool ready = false;
  bool closed = false;

  void Connect();
  void ConnectNext(const std::string& last_failure);
  void Handshake();
  void Introduce();
  void Send(std::span<const std::string_view> words, Redis::Done done, milliseconds timeout);
  void Flush();
  bool WriteAtOnce();
  void Read();
  void OnRead(std::size_t bytes);
  void Take(Result<Reply> reply);
  void Watch(Clock::time_point at);
  void Check();
  void Close(const std::string& reason);
  void Forget();
};

void RedisConnection::State::Connect() {
  // One limit for everything up to the first reply, the name's resolution included.
  timer = loop.After(options.connect_timeout, [this] {
    ++counters.timeouts;
    Close("connect timeout");
  });
  if (!options.unix_socket.empty()) {
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(options.unix_socket));
    return ConnectNext("");
  }
  resolver.async_resolve(
      options.host, std::to_string(options.port),
      [self = shared_from_this()](const error_code& error, const asio::ip::tcp::resolver::results_type& results) {
        if (self->closed) return;
        if (error) return self->Close("cannot resolve " + self->options.host + ": " + error.message());
        for (const auto& result : results) self->endpoints.emplace_back(result.endpoint());
        // Taken from the back.
        std::reverse(self->endpoints.begin(), self->endpoints.end());
        self->ConnectNext("no address");
      });
}

void RedisConnection::State::ConnectNext(const std::string& last_failure) {
  if (endpoints.empty()) return Close("cannot connect: " + last_failure);
  const auto endpoint = endpoints.back();
  endpoints.pop_back();
  error_code ignored;
  socket.close(ignored);
  socket.async_connect(endpoint, [self = shared_from_this()](const error_code& error) {
    if (self->closed) return;
    if (error) return self->ConnectNext(error.message());
    self->options.tls ? self->Handshake() : self->Introduce();
  });
}

void RedisConnection::State::Handshake() {
  try {
    tls = std::make_unique<RedisTls>(options, socket);
  } catch (const std::runtime_error& error) {
    return Close(error.what());
  }
  tls->stream().async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](const error_code& error) {
    if (self->closed) return;
    error ? self->Close(self->tls->Explain(error)) : self->Introduce();
  });
}

void RedisConnection::State::Introduce() {
  connected = true;
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);  // it may not be TCP
  socket.non_blocking(true, ignored);
  last_heard = Clock::now();
  for (std::size_t i = 0; i < setup.size(); ++i) {
    const std::vector<std::string_view> words(setup[i].begin(), setup[i].end());
    const bool last = i + 1 == setup.size();
    auto done = [this, last, name = setup[i].front()](const Result<Reply>& reply) {
      if (closed) return;
      if (!reply) return Close(name + ": " + reply.error().message());
      if (!last) return;
      ready = true;
      Watch(Clock::now() + options.keepalive);
      events.ready();
    };
    Send(words, done, options.connect_timeout);
  }
  Read();
}

void RedisConnection::State::Send(std::span<const std::string_view> words, Redis::Done done, milliseconds timeout) {
  const auto deadline = CoarseNow() + kCoarseTick + timeout;
  AppendCommand(gathered, words);
  const bool was_idle = sent.empty();
  sent.push_back({std::move(done), deadline});
  if (ready && was_idle && deadline < timer_at) Watch(deadline);
  if (flush_planned || !writing.empty()) return;
  flush_planned = true;
  loop.AtEndOfTurn<&State::Flush>(shared_from_this());
}

void RedisConnection::State::Flush() {
  flush_planned = false;
  if (closed || gathered.empty() || !writing.empty()) return;
  writing.swap(gathered);
  if (!tls && WriteAtOnce()) return;
  auto written = [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
    if (self->closed) return;
    if (error) return self->Close(error.message());
    self->writing.clear();
    self->Flush();
  };
  const auto bytes = asio::buffer(writing);
  tls ? asio::async_write(tls->stream(), bytes, std::move(written))
      : asio::async_write(socket, bytes, std::move(written));
}

// True: all of it went. Most often the kernel has room, and there is nothing to wait for.
bool RedisConnection::State::WriteAtOnce() {
  error_code error;
  writing.erase(0, socket.write_some(asio::buffer(writing), error));
  return writing.empty();
}

void RedisConnection::State::Read() {
  auto read = [self = shared_from_this()](const error_code& error, std::size_t bytes) {
    if (self->closed) return;
    if (error) return self->Close(error.message());
    self->OnRead(bytes);
    if (!self->closed) self->Read();
  };
  const auto into = asio::buffer(buffer);
  tls ? tls->stream().async_read_some(into, std::move(read)) : socket.async_read_some(into, std::move(read));
}

void RedisConnection::State::OnRead(std::size_t bytes) {
  last_heard = Clock::now();
  reader.Feed({buffer.data(), bytes});
  while (!closed) {
    auto reply = reader.Next();
    if (!reply) break;
    Take(std::move(*reply));
  }
  if (!closed && !reader.broken().empty()) Close("protocol error: " + reader.broken());
}

void RedisConnection::State::Take(Result<Reply> reply) {
  const bool message = events.message && reply && reply->kind == Reply::Kind::kArray && !reply->items.empty() &&
                       reply->items.front().text == "message";
  if (message) return events.message(*reply);
  if (sent.empty()) return Close("protocol error: a reply without a command");
  Redis::Done done = std::move(sent.front().done);
  sent.pop_front();
  // A primary that became a replica, as after a failover: find the new one.
  const bool read_only = !reply && reply.error().message().starts_with("READONLY");
  done(std::move(reply));
  if (read_only) Close("this Redis has become a read-only replica");
}

void RedisConnection::State::Watch(Clock::time_point at) {
  timer_at = at;
  timer = loop.After(std::max(at - Clock::now(), Clock::duration::zero()), [this] { Check(); });
}

void RedisConnection::State::Check() {
  const auto now = Clock::now();
  if (!sent.empty() && sent.front().deadline <= now) {
    if (now - timer_at > kLate) return Watch(now + kLate);
    ++counters.timeouts;
    return Close("timeout");
  }
  if (!sent.empty()) return Watch(sent.front().deadline);
  if (now - last_heard >= options.keepalive) {
    static constexpr std::string_view kPing[] = {"PING"};
    Send(
        kPing, [](const Result<Reply>&) {}, options.command_timeout);
    return Watch(sent.front().deadline);
  }
  Watch(last_heard + options.keepalive);
}

void RedisConnection::State::Close(const std::string& reason) {
  if (closed) return;
  const auto self = shared_from_this();  // closed() may destroy the connection
  auto failed = std::move(sent);
  Forget();
  events.closed(reason);
  for (auto& command : failed) command.done(Error(Unanswered(reason)));
}

void RedisConnection::State::Forget() {
  closed = true;
  timer.Cancel();
  resolver.cancel();
  error_code ignored;
  socket.close(ignored);
  sent.clear();
}

RedisConnection::RedisConnection(Loop& loop, const RedisOptions& options, std::vector<Words> setup, Events events,
                                 RedisCounters& counters)
    : state_(std::make_shared<State>(loop, options, std::move(events), counters)) {
  auto& words = state_->setup;
  if (!options.username.empty()) {
    words.push_back({"AUTH", options.username, options.password});
  } else if (!options.password.empty()) {
    words.push_back({"AUTH", options.password});
  }
  if (options.database != 0) words.push_back({"SELECT", std::to_string(options.database)});
  words.insert(words.end(), setup.begin(), setup.end());
  // Answers only when Redis has loaded its data, and only to those who may read ours. Not PING: that is refused where
  // Redis takes no writes, as its disk is full, and reads go on.
  words.push_back({"EXISTS", kNodesKey});
  // Not from inside the constructor: its owner has not taken it yet.
  loop.Post([weak = std::weak_ptr(state_)] {
    if (auto state = weak.lock(); state && !state->closed) state->Connect();
  });
}

RedisConnection::~RedisConnection() { state_->Forget(); }

void RedisConnection::Send(std::span<const std::string_view> words, Redis::Done done) {
  state_->Send(words, std::move(done), state_->options.command_timeout);
}

std::size_t RedisConnection::pending() const { return state_->sent.size(); }
Clock::time_point RedisConnection::last_heard() const { return state_->last_heard; }
void RedisConnection::Close(const std::string& reason) { state_->Close(reason); }

}  // namespace parley::storage
