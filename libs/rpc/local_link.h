#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "libs/rpc/asks.h"
#include "libs/rpc/link.h"
#include "libs/rpc/ring.h"

namespace parley::rpc {

// A process's link to itself: what a ring sends to the replica that it is part of. Nothing is serialised; delivery is
// later, in order, as on any link.
class LocalLink final : public Link {
 public:
  LocalLink(Loop& loop, Self self, const LinkOptions& options, Ring::Owner& owner, Ring::Local deliver);
  ~LocalLink();

  const Peer& peer() const override { return peer_; }
  void Send(std::unique_ptr<Envelope> envelope, Receipt receipt) override;
  bool congested() const override { return *outstanding_ >= window_; }
  std::size_t unacknowledged() const override { return *outstanding_; }
  // Nothing to do: what comes of what it carries is acknowledged as if somebody waited.
  void Hurry() override {}
  std::size_t asking() const override { return asks_->size(); }
  void Ask(std::string body, std::chrono::milliseconds timeout, Done done) override;
  void AnnounceDraining() override {}
  void Close() override {}
  void WhenSettled(std::function<void()> settled) override;
  // What waits for an answer is asked elsewhere, as if the link had broken; what its owner says of it later is dropped.
  void GiveUpAsks();

 private:
  class Debt;
  struct Generation;
  void Deliver();

  Loop& loop_;
  Peer peer_;
  const std::uint32_t window_;
  Ring::Owner& owner_;
  Ring::Local deliver_;
  LinkMeter meter_;
  std::shared_ptr<Asks> asks_;
  std::deque<Held> arrived_;
  // Shared with the receipts.
  std::shared_ptr<std::size_t> outstanding_ = std::make_shared<std::size_t>(0);
  std::shared_ptr<Generation> generation_;
  // What is posted does nothing once this is gone.
  std::shared_ptr<LocalLink*> self_ = std::make_shared<LocalLink*>(this);
};

}  // namespace parley::rpc
