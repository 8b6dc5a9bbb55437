#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/rpc/ring.h"
#include "services/router/metrics.h"

namespace parley::router {

// All routers, this one included: who is home to which account.
class Peers final : private rpc::Ring::Owner {
 public:
  // What is for this router, from itself or from another; what cannot be given to its home; and asks of it.
  struct Handlers {
    std::function<void(std::unique_ptr<rpc::Envelope>, rpc::Receipt)> take;
    std::function<void(rpc::Held, rpc::RefusalReason)> undeliverable;
    std::function<void(const std::string& body, rpc::LinkHandler::Respond)> answer;
  };
  Peers(Loop& loop, const rpc::Self& self, rpc::Ring::Options options, Handlers handlers);

  // To the home of `key`, a bare JID, which may be a part of the envelope; if that is us, later in this turn.
  void Send(std::string_view key, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);
  // The home's answer, which may be our own.
  void Ask(const std::string& key, std::string body, std::chrono::milliseconds timeout, rpc::Link::Done done);
  // Each other router; `done` gets each answer. How many were asked.
  std::size_t AskOthers(const std::string& body, std::chrono::milliseconds timeout, const rpc::Link::Done& done) {
    return ring_.AskOthers(body, timeout, done);
  }
  void Announce(rpc::Standing standing) { ring_.Announce(standing); }
  std::vector<const rpc::Link*> links() const { return ring_.links(); }
  // Who the routers are is known as far as it can be.
  bool complete() const { return ring_.complete(); }
  // The instances of the others that are up.
  std::vector<std::string> others() const;
  void AnnounceDraining() { ring_.AnnounceDraining(); }
  std::size_t unacknowledged() const { return ring_.unacknowledged(); }
  // Somebody waits for that from now on.
  void Hurry() { ring_.Hurry(); }
  // The same, where somebody has come to wait for what it was sent for.
  void HurryOn() { ring_.HurryOn(); }

 private:
  void OnEnvelope(rpc::Link& link, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) override;
  void OnRequest(rpc::Link& link, const std::string& body, rpc::LinkHandler::Respond respond) override;
  void OnUndeliverable(rpc::Held held, rpc::RefusalReason reason) override;
  void OnAvailability(bool) override {}
  void OnWritable() override {}

  const std::string self_;  // our instance
  Handlers handlers_;
  rpc::Ring ring_;
};

}  // namespace parley::router
