// The floor of the benchmarks: TLS, TCP and passing bytes on, with no XMPP at all. Users 2k and 2k+1 are a pair, and
// what one writes goes to the other. As one process, or as edges that pass all on through a hub, like Parley's two
// edges and the router between them. It promises nothing: no acknowledgements, no limits, nothing is kept for those who
// are away.
//   parley-relay edge PORT CERTIFICATE KEY [HUB_PORT]
//   parley-relay hub PORT
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "bench/generator/connection.h"
#include "bench/generator/loop.h"

namespace parley::bench {
namespace {

using User = std::uint32_t;
constexpr Nanoseconds kGrave = 1'000'000'000;  // a connection that is over is freed when nothing of its turn is left

struct Common {
  Loop loop;
  Connection::Flusher flusher;
};

class Listener : private Loop::Handler {
 public:
  Listener(Loop& loop, int port, std::function<void(int)> on_socket) : on_socket_(std::move(on_socket)) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd_, 1024) != 0) {
      throw std::runtime_error("cannot listen on port " + std::to_string(port));
    }
    loop.Watch(fd_, *this, EPOLLIN);
  }

 private:
  void OnEvents(std::uint32_t) override {
    for (int fd; (fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) on_socket_(fd);
  }
  int fd_;
  std::function<void(int)> on_socket_;
};

// A connection between processes: frames of a user, a size and as many bytes. An empty one says that the user is here.
class Trunk : private Connection::Owner {
 public:
  using OnFrame = std::function<void(Trunk&, User, std::string_view)>;
  Trunk(Common& common, OnFrame on_frame, std::function<void()> on_connected = nullptr)
      : connection(common.loop, common.flusher, *this),
        on_frame_(std::move(on_frame)),
        on_connected_(std::move(on_connected)) {}

  void Send(User user, std::string_view bytes) {
    const std::uint32_t head[2] = {user, static_cast<std::uint32_t>(bytes.size())};
    connection.Write({reinterpret_cast<const char*>(head), sizeof head});
    connection.Write(bytes);
  }

  Connection connection;

 private:
  void OnConnected() override { on_connected_(); }
  void OnSecured() override {}
  // An edge cannot do without; the hub does without one that has left.
  void OnClosed(std::string_view why) override {
    if (on_connected_) throw std::runtime_error("the hub: " + std::string(why));
  }
  void OnBytes(std::string_view bytes) override {
    rest_.append(bytes);
    std::size_t at = 0;
    for (std::uint32_t head[2]; rest_.size() - at >= sizeof head; at += sizeof head + head[1]) {
      std::memcpy(head, rest_.data() + at, sizeof head);
      if (rest_.size() - at - sizeof head < head[1]) break;
      on_frame_(*this, head[0], std::string_view(rest_).substr(at + sizeof head, head[1]));
    }
    rest_.erase(0, at);
  }
  OnFrame on_frame_;
  std::function<void()> on_connected_;
  std::string rest_;
};

class Edge {
 public:
  Edge(Common& common, const char* certificate, const char* key) : common_(common) {
    SSL_CTX_set_mode(tls_,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(tls_, 1);
    SSL_CTX_set_num_tickets(tls_, 1);
    SSL_CTX_set_session_cache_mode(tls_, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_use_certificate_chain_file(tls_, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_, key, SSL_FILETYPE_PEM) != 1) {
      throw std::runtime_error("cannot read the certificate or its key");
    }
  }
  void Use(Trunk& trunk) { trunk_ = &trunk; }
  void Accept(int fd) {
    auto client = std::make_unique<Client>(*this);
    client->connection.Adopt(fd);
    SSL* ssl = SSL_new(tls_);
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
    client->connection.StartTls(ssl);
    clients_.emplace(client.get(), std::move(client));
  }
  // To a client of this edge.
  void Deliver(User to, std::string_view bytes) {
    if (const auto found = users_.find(to); found != users_.end()) found->second->connection.Write(bytes);
  }

 private:
  // Its first line ends with its number. It is answered, so that a client knows that it can be reached.
  struct Client final : Connection::Owner {
    explicit Client(Edge& its_edge) : edge(its_edge), connection(edge.common_.loop, edge.common_.flusher, *this) {}
    void OnConnected() override {}
    void OnSecured() override {}
    void OnBytes(std::string_view bytes) override { known ? edge.PassOn(user ^ 1, bytes) : edge.Admit(*this, bytes); }
    void OnClosed(std::string_view) override { edge.Forget(*this); }
    Edge& edge;
    Connection connection;
    User user = 0;
    bool known = false;
  };

  void Admit(Client& client, std::string_view line) {
    line.remove_prefix(std::min(line.size(), line.find_first_of("0123456789")));
    client.known = std::from_chars(line.data(), line.data() + line.size(), client.user).ec == std::errc();
    users_[client.user] = &client;
    if (trunk_ != nullptr) trunk_->Send(client.user, {});
    client.connection.Write("<relay><ready/>");
  }
  void PassOn(User to, std::string_view bytes) {
    if (trunk_ != nullptr) return trunk_->Send(to, bytes);
    Deliver(to, bytes);
  }
  void Forget(Client& client) {
    if (client.known && users_[client.user] == &client) users_.erase(client.user);
    common_.loop.At(Now() + kGrave, [this, gone = &client] { clients_.erase(gone); });
  }

  Common& common_;
  SSL_CTX* const tls_ = SSL_CTX_new(TLS_server_method());
  Trunk* trunk_ = nullptr;
  std::unordered_map<User, Client*> users_;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
};

void RunEdge(int port, const char* certificate, const char* key, const char* hub) {
  Common common;
  common.loop.SetEndOfTurn([&] { common.flusher.FlushAll(); });
  Edge edge(common, certificate, key);
  std::unique_ptr<Listener> listener;
  const auto listen = [&] {
    listener = std::make_unique<Listener>(common.loop, port, [&](int fd) { edge.Accept(fd); });
  };
  Trunk trunk(
      common, [&](Trunk&, User to, std::string_view bytes) { edge.Deliver(to, bytes); }, listen);
  if (hub == nullptr) {
    listen();
  } else {
    edge.Use(trunk);
    trunk.connection.Connect(ResolveServer(std::string("127.0.0.1:") + hub), 0);
  }
  common.loop.Run();
}

void RunHub(int port) {
  Common common;
  common.loop.SetEndOfTurn([&] { common.flusher.FlushAll(); });
  std::vector<std::unique_ptr<Trunk>> trunks;
  std::unordered_map<User, Trunk*> where;
  const auto on_frame = [&](Trunk& from, User user, std::string_view bytes) {
    if (bytes.empty()) {
      where[user] = &from;
    } else if (const auto found = where.find(user); found != where.end()) {
      found->second->Send(user, bytes);
    }
  };
  Listener listener(common.loop, port, [&](int fd) {
    trunks.push_back(std::make_unique<Trunk>(common, on_frame));
    trunks.back()->connection.Adopt(fd);
  });
  common.loop.Run();
}

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 2 && words[0] == "hub") parley::bench::RunHub(std::stoi(words[1]));
    if (words.size() >= 4 && words[0] == "edge") {
      parley::bench::RunEdge(std::stoi(words[1]), argv[3], argv[4], words.size() > 4 ? argv[5] : nullptr);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parley-relay: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "parley-relay edge PORT CERTIFICATE KEY [HUB_PORT], or parley-relay hub PORT\n");
  return 2;
}
