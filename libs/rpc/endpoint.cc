#include "libs/rpc/endpoint.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/version.h"
#include "libs/rpc/protocol.h"

namespace parley::rpc {
namespace {

using link::v1::Frame;
using link::v1::Hello;

// For what gathered to leave when we close. No setting: a peer that reads takes it at once, and one that does not hears
// no acknowledgement, so that it sends again what we may have had.
constexpr std::chrono::milliseconds kCloseTimeout{1000};
// Each thing that a peer says of itself stands in the log.
constexpr std::size_t kMaxNameBytes = 256;

Standing StandingOf(const Hello& hello) {
  if (!hello.away()) return Standing::kServing;
  return hello.starting() ? Standing::kStarting : Standing::kAway;
}

}  // namespace

Endpoint::Endpoint(Loop& loop, std::shared_ptr<const Role> role, LinkHandler& handler, Ended ended)
    : loop_(loop),
      role_(std::move(role)),
      handler_(&handler),
      ended_(std::move(ended)),
      meter_(role_->metrics),
      inbox_(role_->options, [this] { ScheduleFlush(); }),
      asks_(loop, role_->options.max_asks, meter_) {
  deadline_ = loop_.After(role_->options.hello_timeout, [this] {
    if (transport_ != nullptr) transport_->Abort("no hello in time");
  });
}

Endpoint::~Endpoint() { Disown(); }

void Endpoint::Disown() {
  handler_ = nullptr;
  ended_ = nullptr;
  yielded_ = nullptr;
  stage_ = Stage::kBroken;
  deadline_.Cancel();
  ack_timer_.Cancel();
  inbox_.Sever();
  if (transport_ != nullptr) std::exchange(transport_, nullptr)->Detach();
  for (auto& held : outbox_.TakeAll()) held.receipt.Abandon();
}

// ---- greeting

void Endpoint::OnOpen(const std::string& remote_address) {
  peer_.address = remote_address;
  stage_ = Stage::kGreeting;
  Greet();
}

void Endpoint::Greet() {
  Frame greeting;
  Hello& hello = *greeting.mutable_hello();
  hello.set_protocol(kProtocols.newest);
  hello.set_oldest_protocol(kProtocols.oldest);
  hello.set_version(Version());
  hello.set_service(role_->self.service);
  hello.set_instance(role_->self.instance);
  hello.set_epoch(role_->self.epoch);
  hello.set_window(role_->options.window);
  hello.set_window_bytes(role_->options.window_bytes);
  hello.set_away(role_->standing != Standing::kServing);
  hello.set_starting(role_->standing == Standing::kStarting);
  hello.set_changes_over(true);
  hello.set_hurries(true);
  writing_ = true;
  transport_->Write(greeting);
}

std::string Endpoint::CheckHello(const Hello& hello) const {
  for (const auto* name : {&hello.service(), &hello.instance(), &hello.epoch(), &hello.version()}) {
    if (name->size() > kMaxNameBytes) return "what it says of itself is too long";
  }
  if (!Common(kProtocols, ProtocolsOf(hello))) return WhyNone(hello);
  if (hello.service().empty() || hello.instance().empty() || hello.epoch().empty()) return "it does not say who it is";
  if (!role_->expected_service.empty() && hello.service() != role_->expected_service) {
    return "it is a " + hello.service() + ", not a " + role_->expected_service;
  }
  if (hello.window() == 0 || hello.window_bytes() == 0) return "it takes nothing";
  return vet_ ? vet_(hello.service()) : std::string();
}

void Endpoint::OnHello(const Frame& frame) {
  if (!frame.has_hello()) return Violation("the first frame is no hello");
  const Hello& hello = frame.hello();
  if (const auto problem = CheckHello(hello); !problem.empty()) return Violation(problem);
  peer_.service = hello.service();
  peer_.instance = hello.instance();
  peer_.epoch = hello.epoch();
  peer_.protocol = Common(kProtocols, ProtocolsOf(hello)).value();
  peer_.version = hello.version();
  peer_.standing = StandingOf(hello);
  peer_.changes_over = hello.changes_over();
  peer_hurries_ = hello.hurries();
  outbox_.SetWindow(hello.window(), hello.window_bytes());
  deadline_.Cancel();
  stage_ = Stage::kUp;
  was_up_ = true;
  meter_.Up();
  log::Info(
      "link_up",
      {{"peer", peer_.instance}, {"service", peer_.service}, {"version", peer_.version}, {"address", peer_.address}});
  handler_->OnUp(*this);
  if (!peer_.changes_over) OnYielded();
  ScheduleFlush();
}

// ---- the end

void Endpoint::OnGarbage(const std::string& reason) {
  const auto self = shared_from_this();
  Violation(reason);
}

void Endpoint::Violation(const std::string& reason) {
  if (stage_ == Stage::kBroken) return;
  meter_.Violation();
  log::Error("link_violation", {{"peer", peer_.instance}, {"address", peer_.address}, {"reason", reason}});
  // Up until the stream is really gone: what it settled so far counts.
  if (stage_ == Stage::kUp) stage_ = Stage::kClosing;
  if (transport_ != nullptr) transport_->Abort(reason);
}

std::vector<Held> Endpoint::Reclaim() {
  auto held = outbox_.TakeAll();
  asks_.FailAllLater(Error(kLinkBroken));
  Close();
  return held;
}

void Endpoint::Close() {
  if (stage_ == Stage::kClosing || stage_ == Stage::kBroken) return;
  if (stage_ != Stage::kUp) {
    if (transport_ != nullptr) transport_->Abort("closed");
    return;
  }
  stage_ = Stage::kClosing;
  // What is dropped from now on may have been given up: the peer sends it elsewhere.
  inbox_.Sever();
  deadline_ = loop_.After(kCloseTimeout, [this] {
    if (transport_ != nullptr) transport_->Abort("closed");
  });
  ScheduleFlush();
}

void Endpoint::OnBroken(const std::string& reason) {
  const auto self = shared_from_this();
  const bool was_up = alive();
  stage_ = Stage::kBroken;
  transport_ = nullptr;
  deadline_.Cancel();
  ack_timer_.Cancel();
  inbox_.Sever();
  settling_.clear();
  meter_.Down();
  if (was_up) {
    log::Info("link_down", {{"peer", peer_.instance}, {"address", peer_.address}, {"reason", reason}});
    handler_->OnDown(*this, outbox_.TakeAll());
    // After the handler knows, so that who asks again asks another.
    asks_.FailAll(Error(kLinkBroken));
  }
  if (ended_) ended_(reason);
}

}  // namespace parley::rpc
