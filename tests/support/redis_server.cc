#include "tests/support/redis_server.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <random>
#include <stdexcept>

namespace parley::test {
namespace {

using Context = std::unique_ptr<redisContext, decltype(&redisFree)>;
using ReplyPointer = std::unique_ptr<void, decltype(&freeReplyObject)>;

std::string Text(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply.integer);
    case REDIS_REPLY_NIL:
      return "(nil)";
    case REDIS_REPLY_ARRAY: {
      std::string all;
      for (std::size_t i = 0; i < reply.elements; ++i) all += (i > 0 ? " " : "") + Text(*reply.element[i]);
      return all;
    }
    default:
      return {reply.str, static_cast<std::size_t>(reply.len)};
  }
}

// nullopt-like empty pointer: not reachable.
std::string CallAt(const std::string& socket, const std::vector<std::string>& words, bool& reached) {
  const timeval limit{5, 0};
  const Context context(redisConnectUnixWithTimeout(socket.c_str(), limit), redisFree);
  reached = context && context->err == 0;
  if (!reached) return "";
  redisSetTimeout(context.get(), limit);
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const auto& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  const ReplyPointer reply(redisCommandArgv(context.get(), static_cast<int>(words.size()), texts.data(), sizes.data()),
                           freeReplyObject);
  reached = reply != nullptr;
  return reached ? Text(*static_cast<redisReply*>(reply.get())) : "";
}

bool CanBind(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool can = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return can;
}

// By an abstract socket of that name, which goes with this process (tools/parley_dev/processes.py does the same).
bool Reserve(int port) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string name = "parley-port-" + std::to_string(port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) return true;
  close(fd);
  return false;
}

}  // namespace

int FreePort() {
  static std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<int> quiet(10000, 32000);
  for (int tries = 0; tries < 1000; ++tries) {
    const int port = quiet(random);
    if (CanBind(port) && Reserve(port)) return port;
  }
  throw std::runtime_error("no free port");
}

RedisServer::RedisServer(std::vector<std::string> arguments)
    : arguments_(std::move(arguments)),
      socket_(directory_.path() + "/redis.sock"),
      log_(directory_.path() + "/redis.log"),
      port_(FreePort()) {
  Start();
}

RedisServer::~RedisServer() = default;

void RedisServer::Start() {
  if (process_) return;
  ChildProcess::Options options;
  options.output = log_;
  options.command = {"/usr/bin/redis-server",
                     "--port",
                     std::to_string(port_),
                     "--bind",
                     "127.0.0.1",
                     "--dir",
                     directory_.path(),
                     "--unixsocket",
                     socket_,
                     "--save",
                     "",
                     "--appendonly",
                     "no",
                     "--loglevel",
                     "warning"};
  options.command.insert(options.command.end(), arguments_.begin(), arguments_.end());
  unlink(socket_.c_str());
  process_ = std::make_unique<ChildProcess>(options);
  const auto answers = [this] {
    bool reached = false;
    const std::string reply = CallAt(socket_, {"PING"}, reached);
    if (!process_->running()) throw std::runtime_error("redis-server ended, see " + log_);
    // With requirepass it answers, too.
    return reached && (reply == "PONG" || reply.starts_with("NOAUTH"));
  };
  WaitUntil("redis-server", answers, log_);
}

void RedisServer::Stop() {
  process_->Signal(SIGTERM);
  process_->Wait();
  process_.reset();
}

void RedisServer::Kill() {
  process_->Signal(SIGKILL);
  process_->Wait();
  process_.reset();
}

void RedisServer::Pause() { process_->Signal(SIGSTOP); }
void RedisServer::Resume() { process_->Signal(SIGCONT); }

std::string RedisServer::Call(const std::vector<std::string>& words) const {
  bool reached = false;
  std::string reply = CallAt(socket_, words, reached);
  if (!reached) throw std::runtime_error("redis-server does not answer");
  return reply;
}

storage::RedisOptions RedisServer::options() const {
  storage::RedisOptions options;
  options.unix_socket = socket_;
  return options;
}

storage::RedisOptions RedisServer::tcp_options() const {
  storage::RedisOptions options;
  options.port = static_cast<std::uint16_t>(port_);
  return options;
}

}  // namespace parley::test
