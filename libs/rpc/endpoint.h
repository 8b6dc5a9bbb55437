#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/asks.h"
#include "libs/rpc/inbox.h"
#include "libs/rpc/link.h"
#include "libs/rpc/link_meter.h"
#include "libs/rpc/outbox.h"
#include "libs/rpc/transport.h"

namespace parley::rpc {

// The protocol of one end of a link, over any transport: the same for who dials and who accepts. The single place that
// knows the contract in link.proto. Nothing here knows gRPC.
class Endpoint final : public Link, public TransportEvents, public std::enable_shared_from_this<Endpoint> {
 public:
  struct Role {
    Self self;
    LinkOptions options;
    Standing standing = Standing::kServing;
    std::string expected_service;  // of the peer; empty: any
    std::shared_ptr<LinkMetrics> metrics;
  };
  // `ended` is called once, last, when the stream is gone; never after Disown().
  using Ended = std::function<void(const std::string& reason)>;
  Endpoint(Loop& loop, std::shared_ptr<const Role> role, LinkHandler& handler, Ended ended);
  ~Endpoint();
  // The owner goes: no more calls to the handler or the owner, what is held is abandoned.
  void Disown();

  // Hellos were exchanged.
  bool was_up() const { return was_up_; }

  const Peer& peer() const override { return peer_; }
  void Send(std::unique_ptr<Envelope> envelope, Receipt receipt) override;
  void SendHeld(Held held) override;
  bool congested() const override { return outbox_.congested(); }
  std::size_t unacknowledged() const override { return outbox_.size(); }
  void Hurry() override;
  void HurryOn() override;
  std::size_t asking() const override { return asks_.size(); }
  void Ask(std::string body, std::chrono::milliseconds timeout, Done done) override;
  void AnnounceDraining() override;
  void Yield() override;
  void Close() override;
  std::vector<Held> Reclaim() override;
  std::uint64_t LastFor(std::string_view session) const override { return outbox_.LastFor(session); }
  bool IsSettledFor(std::string_view session, std::uint64_t number) const override {
    return outbox_.IsSettledFor(session, number);
  }
  void WhenSettled(std::function<void()> settled) override;

  // Of a replica (link.proto, changeover). `yielded` is called once, maybe at once: when the peer has, or if it never
  // will.
  using Yielded = std::function<void()>;
  void AnnounceJoining(Yielded yielded);
  void AnnounceDraining(Yielded yielded);
  void AnnounceChangedOver();

  // Whether a peer may say that it is that service: why not, or nothing.
  void Vet(std::function<std::string(const std::string& service)> vet) { vet_ = std::move(vet); }
  // Before it opens, so that the hello's deadline covers that too.
  void Attach(Transport& transport) { transport_ = &transport; }
  void OnOpen(const std::string& remote_address) override;
  void OnFrame(link::v1::Frame& frame, std::size_t bytes) override;
  void OnGarbage(const std::string& reason) override;
  void OnWritten() override;
  void OnBroken(const std::string& reason) override;

 private:
  enum class Stage { kConnecting, kGreeting, kUp, kClosing, kBroken };

  void Greet();
  void OnHello(const link::v1::Frame& frame);
  std::string CheckHello(const link::v1::Hello& hello) const;
  void OnAcks(const link::v1::Frame& frame);
  void OnRefusals(const link::v1::Frame& frame);
  void OnReplies(link::v1::Frame& frame);
  void OnEnvelopes(link::v1::Frame& frame);
  void OnRequests(link::v1::Frame& frame);
  void OnHurry();
  void AfterSettling();
  void OnStanding(const link::v1::Frame& frame);
  void OnYielded();
  void AwaitYield(Yielded yielded);
  void Respond(std::uint64_t id, Result<std::string> answer);
  void Violation(const std::string& reason);
  bool alive() const { return stage_ == Stage::kUp || stage_ == Stage::kClosing; }

  void ScheduleFlush();
  void Flush();
  // What the next frame carries; false: nothing that should go now.
  bool Gather();
  template <class Queue, class Field>
  bool GatherMessages(Queue& queue, Field& field, std::uint64_t& room);
  bool GatherHurry();
  bool GatherStanding();
  void Write();
  void DelayAcks();
  std::chrono::milliseconds AckDelay(bool idle) const;

  Loop& loop_;
  std::shared_ptr<const Role> role_;
  LinkHandler* handler_;
  Ended ended_;
  std::function<std::string(const std::string&)> vet_;
  Transport* transport_ = nullptr;
  Stage stage_ = Stage::kConnecting;
  bool was_up_ = false;
  Peer peer_;
  Loop::Timer deadline_;  // of the greeting, of closing

  LinkMeter meter_;
  Outbox outbox_;
  Inbox inbox_;
  Asks asks_;
  std::deque<link::v1::Request> requests_;
  std::deque<link::v1::Reply> replies_;
  // What is to be said of us in the next frame.
  struct Announcements {
    bool draining = false;
    bool joining = false;
    bool yielded = false;
    bool changed_over = false;
  };
  Announcements announce_;
  Yielded yielded_;
  bool draining_ = false;
  bool peer_draining_ = false;
  // Whoever we are connected to knows what it is to hurry, as we do.
  bool peer_hurries_ = false;
  // The last number that somebody waits for, and the last that we have said so of.
  std::uint64_t hurry_to_ = 0;
  std::uint64_t hurried_to_ = 0;
  struct Settling {
    std::uint64_t last;
    std::function<void()> settled;
  };
  std::deque<Settling> settling_;

  bool flush_scheduled_ = false;
  bool writing_ = false;
  bool acks_due_ = false;
  // When last something was sent that acknowledgements could go with.
  std::chrono::steady_clock::time_point last_company_;
  Loop::Timer ack_timer_;
  bool ack_timer_idle_ = false;  // it is for what nobody waits for
  link::v1::Frame frame_;
  std::vector<Envelope*> arrived_;
};

}  // namespace parley::rpc
