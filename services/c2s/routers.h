#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/rpc/ring.h"
#include "libs/session/queue.h"
#include "libs/tracing/tracer.h"
#include "services/c2s/metrics.h"
#include "services/c2s/session/repeats.h"

namespace parley::c2s {

class Session;
class SessionTable;

// The edge's side of the links to all routers: gives them clients' stanzas, takes deliveries, and keeps for later what
// no router took and nobody can be told about.
class Routers final : private rpc::Ring::Owner {
 public:
  struct Options {
    rpc::Ring::Options ring;
    std::size_t max_deferred = 65536;
    std::size_t max_repeats_remembered = 200000;
    std::chrono::seconds repeat_memory{60};
  };
  Routers(Loop& loop, rpc::Self self, const Options& options, SessionTable& sessions, Metrics& metrics,
          const tracing::Tracer& tracer);
  ~Routers();

  // `key`: a bare JID, which may be a part of the envelope. True: no more for now (WaitWritable).
  bool Send(std::string_view key, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);
  void Ask(std::string_view key, std::string body, std::chrono::milliseconds timeout, rpc::Link::Done done);
  bool available() const;
  // Tells the session's uplink once there is room again.
  void WaitWritable(std::shared_ptr<Session> session);

  // Called for a session that lives here while the routers know nothing of it: Redis lost it.
  void OnUnknown(std::function<void(const std::shared_ptr<Session>&)> unknown) { unknown_ = std::move(unknown); }

  // Called when the first router is there, and when the last has gone.
  void OnAvailable(std::function<void(bool)> available) { available_ = std::move(available); }

  // To the session that it names, unless that had it before.
  void Deliver(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);
  // What a session that we claimed has had before, so that repeats are recognised.
  void Remember(const Session& session, const session::QueueContents& contents);
  // And this, which was in its queue in Redis.
  void RememberQueued(const Session& session, const rpc::Envelope& envelope);

  // Before the end: no new deliveries, please.
  void AnnounceDraining();
  std::size_t unacknowledged() const;
  // Somebody has come to wait for some of that (Receipt::unhurried()).
  void HurryOn() { ring_.HurryOn(); }
  // For a new one (Session::number).
  std::uint64_t NumberOfSession() { return ++sessions_numbered_; }

 private:
  void OnEnvelope(rpc::Link& link, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) override;
  void OnRequest(rpc::Link& link, const std::string& body, rpc::LinkHandler::Respond respond) override;
  void OnUndeliverable(rpc::Held held, rpc::RefusalReason reason) override;
  void OnAvailability(bool available) override;
  bool MayGo(const rpc::Envelope& envelope) override;
  void OnWritable() override;

  void HandOver(const rpc::Envelope& envelope, rpc::Receipt receipt);
  // The session had it already, as far as is known of what may come twice.
  bool HadBefore(const Session& session, const rpc::Envelope& envelope, session::Mark mark);
  void Remember(const Session& session, session::Mark mark);
  // Who may not act keeps it.
  bool TakenBack(rpc::Held& held);
  void TryOnceMore(Session& session, rpc::Held held);
  void GiveBack(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);
  void WakeWaiting();
  void Defer(rpc::Held held);
  void SendDeferred();
  bool Obsolete(const rpc::Envelope& envelope) const;

  SessionTable& sessions_;
  Metrics& metrics_;
  const tracing::Tracer& tracer_;
  const std::size_t max_deferred_;
  Repeats repeats_;
  std::uint64_t sessions_numbered_ = 0;
  std::function<void(const std::shared_ptr<Session>&)> unknown_;
  std::function<void(bool)> available_;
  std::vector<std::weak_ptr<Session>> waiting_;
  std::deque<rpc::Held> deferred_;
  // No router for so long that stanzas are answered rather than held.
  bool given_up_ = false;
  Loop& loop_;
  // What is posted does nothing once this is gone.
  std::shared_ptr<Routers*> alive_ = std::make_shared<Routers*>(this);
  rpc::Ring ring_;
  Loop::Timer retrying_;
};

}  // namespace parley::c2s
