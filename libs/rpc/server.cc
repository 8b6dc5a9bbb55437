#include "libs/rpc/server.h"

#include <chrono>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "libs/rpc/channel.h"
#include "libs/rpc/endpoint.h"
#include "libs/rpc/grpc_stream.h"

namespace parley::rpc {
namespace {

// Calls that may arrive before the loop gets round to asking for more.
constexpr int kListening = 4;

}  // namespace

struct Server::State {
  State(Loop& loop_, LinkHandler* handler_) : loop(loop_), handler(handler_) {}
  ~State();
  void Start(const std::string& listen, const std::vector<grpc::Service*>& services);
  TransportEvents* Accept(Transport& stream);

  Loop& loop;
  LinkHandler* handler;
  std::shared_ptr<Endpoint::Role> role = std::make_shared<Endpoint::Role>();
  int port = 0;
  bool draining = false;
  // Goes after the server: it has its queue.
  std::shared_ptr<Poller> poller;
  std::shared_ptr<Acceptor> acceptor = std::make_shared<Acceptor>();
  std::unordered_map<Endpoint*, std::shared_ptr<Endpoint>> endpoints;
};

void Server::State::Start(const std::string& listen, const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  SetServerArguments(role->options, builder);
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  for (auto* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  if (handler != nullptr) {
    builder.RegisterAsyncGenericService(&acceptor->service);
    queue = builder.AddCompletionQueue();
  }
  acceptor->server = builder.BuildAndStart();
  if (!acceptor->server || port == 0) throw std::runtime_error("cannot listen on " + listen);
  if (!queue) return;
  acceptor->queue = queue.get();
  acceptor->accept = [this](Transport& stream) { return Accept(stream); };
  poller = Poller::Make(loop, std::move(queue));
  for (int i = 0; i < kListening; ++i) ServerStream::Listen(*poller, acceptor);
}

TransportEvents* Server::State::Accept(Transport& stream) {
  auto ended = std::make_shared<Endpoint*>(nullptr);
  auto endpoint = std::make_shared<Endpoint>(loop, role, *handler, [this, ended](const std::string&) {
    endpoints.erase(*ended);
  });
  *ended = endpoint.get();
  endpoint->Attach(stream);
  if (draining) endpoint->AnnounceDraining();
  endpoints.emplace(endpoint.get(), endpoint);
  return endpoint.get();
}

Server::State::~State() {
  acceptor->accept = nullptr;
  for (auto& [key, endpoint] : endpoints) endpoint->Disown();
  if (acceptor->server) acceptor->server->Shutdown(std::chrono::system_clock::now());
}

Server::Server(Loop& loop, Self self, const std::string& listen, LinkOptions options, LinkHandler* handler,
               const std::vector<grpc::Service*>& services)
    : state_(std::make_unique<State>(loop, handler)) {
  state_->role->metrics = LinkMetrics::Make(options.metrics, "accepted");
  state_->role->self = std::move(self);
  state_->role->options = options;
  state_->Start(listen, services);
}

Server::~Server() = default;

int Server::port() const { return state_->port; }

void Server::AnnounceDraining() {
  state_->draining = true;
  for (auto& [key, endpoint] : state_->endpoints) endpoint->AnnounceDraining();
}

}  // namespace parley::rpc
