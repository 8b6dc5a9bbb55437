#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "libs/base/log.h"
#include "libs/rpc/dial_identity.h"
#include "libs/rpc/endpoint.h"
#include "libs/rpc/frame_transport.h"
#include "libs/rpc/http2.h"
#include "libs/rpc/security.h"

namespace parley::rpc {

struct LinkClient::State : std::enable_shared_from_this<LinkClient::State> {
  State(Loop& loop_, std::string address_, std::shared_ptr<Endpoint::Role> role_, LinkHandler& handler_)
      : loop(loop_), address(std::move(address_)), role(std::move(role_)), http2(role->options), handler(handler_) {}

  void Dial();
  void OnEnded(const std::string& reason);
  void Hurry();
  bool Stuck() const;
  const Security* SecurityNow() const;

  Loop& loop;
  const std::string address;
  std::shared_ptr<Endpoint::Role> role;
  const Http2::Options http2;
  LinkHandler& handler;
  std::shared_ptr<Endpoint> endpoint;
  Loop::Timer retry;
  std::chrono::milliseconds backoff{0};
  std::chrono::steady_clock::time_point dialled;
  bool in_the_clear = false;  // this attempt
  std::array<std::string, 2> last_reasons;
  std::minstd_rand random{std::random_device{}()};
};

// A peer that does not speak TLS yet (mtls.mode) is dialled in the clear, every second time.
const Security* LinkClient::State::SecurityNow() const {
  const auto* security = role->options.security.get();
  return in_the_clear ? security->in_the_clear().get() : security;
}

void LinkClient::State::Dial() {
  endpoint = std::make_shared<Endpoint>(loop, role, handler, [weak = weak_from_this()](const std::string& reason) {
    if (const auto self = weak.lock()) self->OnEnded(reason);
  });
  dialled = std::chrono::steady_clock::now();
  const auto connection = Http2::Dial(loop, address, IdentityToDial(SecurityNow(), role->expected_service), http2);
  auto& stream = connection->Call(kExchangeMethod);
  FrameTransport::Limit limit{role->options.max_items, http2.metrics};
  auto transport = std::make_unique<FrameTransport>(stream, *endpoint, std::move(limit));
  endpoint->Attach(*transport);
  stream.Use(std::move(transport));
}

void LinkClient::State::OnEnded(const std::string& reason) {
  const auto& options = role->options;
  const bool was_up = endpoint && endpoint->was_up();
  // One that breaks as soon as it is up would be dialled again and again.
  if (was_up && std::chrono::steady_clock::now() - dialled > options.reconnect_max) {
    backoff = std::chrono::milliseconds(0);
  }
  endpoint.reset();
  if (!was_up && reason != last_reasons[in_the_clear]) {
    log::Warn("link_failed", {{"address", address}, {"reason", reason}});
    last_reasons[in_the_clear] = reason;
  }
  if (was_up) last_reasons = {};
  in_the_clear = !was_up && !in_the_clear && options.security && options.security->in_the_clear();
  if (!was_up && role->metrics) role->metrics->failed_dials.Increment();
  backoff = std::clamp(backoff * 2, options.reconnect_min, options.reconnect_max);
  // Many lose the same peer at the same moment.
  std::uniform_int_distribution<std::int64_t> jitter(backoff.count() / 2, backoff.count());
  retry = loop.After(std::chrono::milliseconds(jitter(random)), [this] { Dial(); });
  // Last: the handler may drop us.
  if (!was_up && !in_the_clear) handler.OnDialFailed();
}

// What it sent first may be lost: TCP waits longer and longer before it says it again.
bool LinkClient::State::Stuck() const {
  const bool dialling = endpoint && !endpoint->was_up();
  return dialling && std::chrono::steady_clock::now() - dialled > role->options.reconnect_max;
}

void LinkClient::State::Hurry() {
  if (!retry.armed() && !Stuck()) return;
  retry.Cancel();
  if (endpoint) endpoint->Disown();
  Dial();
}

LinkClient::LinkClient(Loop& loop, Self self, std::string address, LinkOptions options, LinkHandler& handler,
                       std::string service) {
  auto role = std::make_shared<Endpoint::Role>();
  role->metrics = LinkMetrics::Make(options.metrics, service.empty() ? "peer" : service);
  role->self = std::move(self);
  role->options = options;
  role->expected_service = std::move(service);
  state_ = std::make_shared<State>(loop, std::move(address), std::move(role), handler);
  loop.Post([weak = std::weak_ptr(state_)] {
    if (const auto state = weak.lock()) state->Dial();
  });
}

LinkClient::~LinkClient() {
  state_->retry.Cancel();
  if (state_->endpoint) state_->endpoint->Disown();
}

void LinkClient::Hurry() { state_->Hurry(); }

const std::string& LinkClient::address() const { return state_->address; }

}  // namespace parley::rpc
