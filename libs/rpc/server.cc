#include "libs/rpc/server.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "libs/base/log.h"
#include "libs/net/connection.h"
#include "libs/rpc/audit.h"
#include "libs/rpc/call_meter.h"
#include "libs/rpc/endpoint.h"
#include "libs/rpc/frame_transport.h"
#include "libs/rpc/http2.h"
#include "libs/rpc/method_call.h"
#include "libs/rpc/security_state.h"

namespace parley::rpc {
namespace {

// Whoever scans ports, or dials again and again, should not fill the log.
constexpr std::chrono::seconds kWarnEvery{1};

// gRPC writes "both families" so.
std::string ForBothFamilies(const std::string& listen) {
  constexpr std::string_view kAny = "[::]:";
  return listen.starts_with(kAny) ? "*:" + listen.substr(kAny.size()) : listen;
}

bool MayWarn(std::chrono::steady_clock::time_point& last) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last < kWarnEvery) return false;
  last = now;
  return true;
}

}  // namespace

struct Server::State {
  State(Loop& loop_, Self self, LinkOptions options, LinkHandler* handler_, Methods methods_);
  ~State();
  void Start(const std::string& listen);
  void Take(int fd);
  void Refuse(int fd, const std::string& address);
  void OnClosed(std::uint64_t number, const std::string& problem);
  void Accept(const Http2::Request& call, ByteStream& stream);
  void AcceptLink(const Caller& caller, ByteStream& stream);
  void AcceptCall(const std::string& method, const Caller& caller, ByteStream& stream);
  void Deny(const std::string& method, const Caller& caller, ByteStream& stream);
  void OnLinkEnded(Endpoint* endpoint);

  void BeginChangeover(std::function<void()> done);
  void AnnounceTo(Endpoint& endpoint);
  void OnYielded(Endpoint* endpoint);
  void EndIfAllYielded();
  void EndChangeover();

  Loop& loop;
  LinkHandler* handler;
  const Methods methods;
  std::shared_ptr<CallMeter> calls;
  std::shared_ptr<Endpoint::Role> role = std::make_shared<Endpoint::Role>();
  bool draining = false;
  // We join, or drain, and others have not yielded yet.
  struct Changeover {
    std::set<Endpoint*> awaited;
    std::function<void()> done;
    Loop::Timer limit;
  };
  std::optional<Changeover> changeover;
  std::unordered_map<Endpoint*, std::shared_ptr<Endpoint>> endpoints;
  const Http2::Options http2;
  prometheus::Gauge* open = nullptr;
  prometheus::Counter* failed_handshakes = nullptr;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::chrono::steady_clock::time_point handshakes_warned, refusals_warned;
  std::unordered_map<std::uint64_t, std::shared_ptr<Http2>> connections;
  std::unique_ptr<net::Listener> listener;
};

Server::State::State(Loop& loop_, Self self, LinkOptions options, LinkHandler* handler_, Methods methods_)
    : loop(loop_), handler(handler_), methods(std::move(methods_)), http2(options) {
  role->metrics = LinkMetrics::Make(options.metrics, "accepted");
  role->self = std::move(self);
  role->options = options;
  calls = std::make_shared<CallMeter>(options.metrics);
  if (options.metrics == nullptr) return;
  open = &options.metrics->Gauge("parley_rpc_connections", "Accepted connections of services and operators");
  failed_handshakes = &options.metrics->Counter("parley_rpc_handshakes_failed_total",
                                                "Accepted connections that ended before TLS and HTTP/2 stood");
}

void Server::State::Start(const std::string& listen) {
  listener = std::make_unique<net::Listener>(loop, ForBothFamilies(listen), [this](int fd, const std::string& address) {
    connections.size() < role->options.max_connections ? Take(fd) : Refuse(fd, address);
  });
}

void Server::State::Take(int fd) {
  const auto number = ++accepted;
  connections[number] = Http2::Accept(
      loop, fd, TlsToAccept(role->options.security.get()), http2,
      [this](const Http2::Request& call, ByteStream& stream) { Accept(call, stream); },
      [this, number](const std::string& problem) { OnClosed(number, problem); });
  if (open != nullptr) open->Increment();
}

// At once, so that it tries elsewhere.
void Server::State::Refuse(int fd, const std::string& address) {
  ::close(fd);
  ++refused;
  http2.metrics->Reached(Http2Limit::kConnections);
  if (!MayWarn(refusals_warned)) return;
  log::Warn("rpc_connections_full", {{"address", address},
                                     {"open", connections.size()},
                                     {"refused", refused},
                                     {"remedy", "raise link.max_connections, or look who connects"}});
}

void Server::State::OnClosed(std::uint64_t number, const std::string& problem) {
  if (open != nullptr) open->Decrement();
  connections.erase(number);
  if (problem.empty()) return;
  if (failed_handshakes != nullptr) failed_handshakes->Increment();
  if (MayWarn(handshakes_warned)) log::Warn("link_handshake_failed", {{"reason", problem}});
}

void Server::State::Accept(const Http2::Request& call, ByteStream& stream) {
  const std::string& method = call.method;
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
  stream.Finish({known ? CallStatus::kPermissionDenied : CallStatus::kUnauthenticated, reason});
}

void Server::State::AcceptCall(const std::string& method, const Caller& caller, ByteStream& stream) {
  auto ended = [calls = calls, method, begun = CallMeter::Clock::now()](CallMeter::Outcome outcome) {
    calls->Ended(method, outcome, begun);
  };
  std::unique_ptr<Audit> audit;
  const bool change = methods.PermissionFor(method).use == Permission::Use::kChange;
  if (change && caller.is_operator()) audit = std::make_unique<Audit>(caller, method);
  MethodCall::Limit limit{role->options.max_unread_bytes, http2.metrics};
  stream.Use(std::make_unique<MethodCall>(stream, methods.Begin(method), std::move(limit), std::move(ended),
                                          std::move(audit)));
}

void Server::State::AcceptLink(const Caller& caller, ByteStream& stream) {
  auto ended = std::make_shared<Endpoint*>(nullptr);
  auto endpoint =
      std::make_shared<Endpoint>(loop, role, *handler, [this, ended](const std::string&) { OnLinkEnded(*ended); });
  *ended = endpoint.get();
  if (const auto security = role->options.security) {
    endpoint->Vet([security, caller](const std::string& service) { return security->RefuseLink(caller, service); });
  }
  FrameTransport::Limit limit{role->options.max_items, http2.metrics};
  auto transport = std::make_unique<FrameTransport>(stream, *endpoint, std::move(limit));
  endpoint->Attach(*transport);
  stream.Use(std::move(transport));
  endpoints.emplace(endpoint.get(), endpoint);
  if (changeover || draining) AnnounceTo(*endpoint);
  if (draining && !changeover) endpoint->AnnounceChangedOver();
}

void Server::State::OnLinkEnded(Endpoint* endpoint) {
  endpoints.erase(endpoint);
  OnYielded(endpoint);
}

void Server::State::BeginChangeover(std::function<void()> done) {
  changeover.emplace();
  changeover->done = std::move(done);
  changeover->limit = loop.After(role->options.settle_timeout, [this] { EndChangeover(); });
  for (const auto& [key, endpoint] : endpoints) {
    if (endpoint->was_up()) changeover->awaited.insert(key);
  }
  for (const auto& [key, endpoint] : endpoints) AnnounceTo(*endpoint);
  EndIfAllYielded();
}

void Server::State::AnnounceTo(Endpoint& endpoint) {
  auto yielded = [this, key = &endpoint] { OnYielded(key); };
  draining ? endpoint.AnnounceDraining(std::move(yielded)) : endpoint.AnnounceJoining(std::move(yielded));
}

void Server::State::OnYielded(Endpoint* endpoint) {
  if (!changeover) return;
  changeover->awaited.erase(endpoint);
  EndIfAllYielded();
}

// Later: it may be a link that says so.
void Server::State::EndIfAllYielded() {
  if (!changeover->awaited.empty()) return;
  changeover->limit = loop.After(std::chrono::milliseconds(0), [this] { EndChangeover(); });
}

void Server::State::EndChangeover() {
  if (!draining) role->standing = Standing::kServing;
  const auto done = std::exchange(changeover, std::nullopt)->done;
  const auto endpoints_now = endpoints;  // each may be gone at once
  for (const auto& [key, endpoint] : endpoints_now) {
    endpoint->peer().changes_over || draining ? endpoint->AnnounceChangedOver() : endpoint->Close();
  }
  if (done) done();
}

Server::State::~State() {
  listener.reset();
  calls->Close();
  for (auto& [key, endpoint] : endpoints) endpoint->Disown();
  for (auto& [number, connection] : connections) connection->Close();
  if (open != nullptr) open->Decrement(static_cast<double>(connections.size()));
}

Server::Server(Loop& loop, Self self, const std::string& listen, LinkOptions options, Methods methods,
               LinkHandler* handler, Standing standing)
    : state_(std::make_unique<State>(loop, std::move(self), options, handler, std::move(methods))) {
  state_->role->standing = standing;
  state_->Start(listen);
}

Server::~Server() = default;

int Server::port() const { return state_->listener->port(); }

void Server::Announce(Standing standing) {
  state_->changeover.reset();
  state_->role->standing = standing;
  const auto endpoints = state_->endpoints;  // each may be gone at once
  for (const auto& [key, endpoint] : endpoints) endpoint->Close();
}

void Server::Join(std::function<void()> joined) { state_->BeginChangeover(std::move(joined)); }

void Server::AnnounceDraining(std::function<void()> gone) {
  state_->draining = true;
  state_->role->standing = Standing::kAway;  // to whoever comes yet
  state_->BeginChangeover(std::move(gone));
}

bool Server::linked(const std::string& service, const std::string& instance) const {
  return std::any_of(state_->endpoints.begin(), state_->endpoints.end(), [&](const auto& entry) {
    const Peer& peer = entry.second->peer();
    return entry.second->was_up() && peer.service == service && peer.instance == instance;
  });
}

}  // namespace parley::rpc
