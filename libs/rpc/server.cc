#include "libs/rpc/server.h"

#include <chrono>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "libs/rpc/audit.h"
#include "libs/rpc/call_meter.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/endpoint.h"
#include "libs/rpc/frame_transport.h"
#include "libs/rpc/method_call.h"
#include "libs/rpc/security_state.h"

namespace parley::rpc {
namespace {

// Calls that may arrive before the loop gets round to asking for more.
constexpr int kListening = 4;

}  // namespace

struct Server::State {
  State(Loop& loop_, Self self, LinkOptions options, LinkHandler* handler_, Methods methods_);
  ~State();
  void Start(const std::string& listen, const std::vector<grpc::Service*>& services);
  void Accept(const grpc::GenericServerContext& call, ByteStream& stream);
  void AcceptLink(const Caller& caller, ByteStream& stream);
  void AcceptCall(const std::string& method, const Caller& caller, ByteStream& stream);
  void Deny(const std::string& method, const Caller& caller, ByteStream& stream);

  Loop& loop;
  LinkHandler* handler;
  const Methods methods;
  std::shared_ptr<CallMeter> calls;
  std::shared_ptr<Endpoint::Role> role = std::make_shared<Endpoint::Role>();
  int port = 0;
  bool draining = false;
  // Goes after the server: it has its queue.
  std::shared_ptr<Poller> poller;
  std::shared_ptr<Acceptor> acceptor = std::make_shared<Acceptor>();
  std::unordered_map<Endpoint*, std::shared_ptr<Endpoint>> endpoints;
};

Server::State::State(Loop& loop_, Self self, LinkOptions options, LinkHandler* handler_, Methods methods_)
    : loop(loop_), handler(handler_), methods(std::move(methods_)) {
  role->metrics = LinkMetrics::Make(options.metrics, "accepted");
  role->self = std::move(self);
  role->options = options;
  calls = std::make_shared<CallMeter>(options.metrics);
}

void Server::State::Start(const std::string& listen, const std::vector<grpc::Service*>& services) {
  acceptor->security = role->options.security;
  grpc::ServerBuilder builder;
  SetServerArguments(role->options, builder);
  builder.AddListeningPort(listen, ServerCredentialsOf(role->options.security.get()), &port);
  for (auto* service : services) builder.RegisterService(service);
  builder.RegisterAsyncGenericService(&acceptor->service);
  auto queue = builder.AddCompletionQueue();
  acceptor->server = builder.BuildAndStart();
  if (!acceptor->server || port == 0) throw std::runtime_error("cannot listen on " + listen);
  acceptor->queue = queue.get();
  acceptor->accept = [this](const auto& call, ByteStream& stream) { Accept(call, stream); };
  poller = Poller::Make(loop, std::move(queue));
  for (int i = 0; i < kListening; ++i) ServerStream::Listen(*poller, acceptor);
}

void Server::State::Accept(const grpc::GenericServerContext& call, ByteStream& stream) {
  const std::string& method = call.method();
  const bool link = method == kExchangeMethod && handler != nullptr;
  if (!link && !methods.Has(method)) return;
  const Caller caller = CallerOf(role->options.security.get(), call);
  if (!methods.PermissionFor(method).Allows(caller)) return Deny(method, caller, stream);
  link ? AcceptLink(caller, stream) : AcceptCall(method, caller, stream);
}

void Server::State::Deny(const std::string& method, const Caller& caller, ByteStream& stream) {
  calls->Ended(method, CallMeter::Outcome::kDenied, CallMeter::Clock::now());
  const bool known = !caller.role.empty();
  const std::string reason = known ? "the role " + caller.role + " may not do this"
                                   : "who calls has no certificate or token that names its role";
  Audit::Denied(caller, method, reason);
  stream.Finish(grpc::Status(known ? grpc::StatusCode::PERMISSION_DENIED : grpc::StatusCode::UNAUTHENTICATED, reason));
}

void Server::State::AcceptCall(const std::string& method, const Caller& caller, ByteStream& stream) {
  auto ended = [calls = calls, method, begun = CallMeter::Clock::now()](CallMeter::Outcome outcome) {
    calls->Ended(method, outcome, begun);
  };
  std::unique_ptr<Audit> audit;
  const bool change = methods.PermissionFor(method).use == Permission::Use::kChange;
  if (change && caller.is_operator()) audit = std::make_unique<Audit>(caller, method);
  stream.Use(std::make_unique<MethodCall>(stream, methods.Begin(method), std::move(ended), std::move(audit)));
}

void Server::State::AcceptLink(const Caller& caller, ByteStream& stream) {
  auto ended = std::make_shared<Endpoint*>(nullptr);
  auto endpoint =
      std::make_shared<Endpoint>(loop, role, *handler, [this, ended](const std::string&) { endpoints.erase(*ended); });
  *ended = endpoint.get();
  if (const auto security = role->options.security) {
    endpoint->Vet([security, caller](const std::string& service) { return security->RefuseLink(caller, service); });
  }
  auto transport = std::make_unique<FrameTransport>(stream, *endpoint);
  endpoint->Attach(*transport);
  stream.Use(std::move(transport));
  if (draining) endpoint->AnnounceDraining();
  endpoints.emplace(endpoint.get(), endpoint);
}

Server::State::~State() {
  acceptor->accept = nullptr;
  calls->Close();
  for (auto& [key, endpoint] : endpoints) endpoint->Disown();
  if (acceptor->server) acceptor->server->Shutdown(std::chrono::system_clock::now());
}

Server::Server(Loop& loop, Self self, const std::string& listen, LinkOptions options, Methods methods,
               LinkHandler* handler)
    : state_(std::make_unique<State>(loop, std::move(self), options, handler, std::move(methods))) {
  state_->Start(listen, {});
}

Server::Server(Loop& loop, Self self, const std::string& listen, LinkOptions options, LinkHandler* handler,
               const std::vector<grpc::Service*>& services)
    : state_(std::make_unique<State>(loop, std::move(self), options, handler, Methods())) {
  state_->Start(listen, services);
}

Server::~Server() = default;

int Server::port() const { return state_->port; }

void Server::AnnounceDraining() {
  state_->draining = true;
  for (auto& [key, endpoint] : state_->endpoints) endpoint->AnnounceDraining();
}

}  // namespace parley::rpc
