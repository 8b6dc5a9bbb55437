#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "libs/rpc/local_link.h"
#include "libs/rpc/placement.h"
#include "libs/rpc/ring.h"
#include "libs/rpc/ring_metrics.h"

namespace parley::rpc {

// A place where a replica may be, and our link to it.
class Replica final : public LinkHandler {
 public:
  Replica(Ring::State& ring, std::string address) : ring_(ring), address_(std::move(address)) {}

  void Dial();
  void DialLater(std::chrono::milliseconds delay);
  // Something else already serves what answered here: no link, for now.
  void HangUp(std::string alias_of);
  // Out of service: what was under way to it, in order. No OnDown follows.
  std::vector<Held> Strip();
  // Whether anybody is there is to be found out now.
  void Try();

  const std::string& address() const { return address_; }
  Link* link() const { return link_; }
  const std::string& alias_of() const { return alias_of_; }
  bool listed() const { return listed_; }
  void set_listed(bool listed) { listed_ = listed; }
  bool draining() const { return draining_; }
  // While it has a link. One that is about to serve counts as if it did.
  Standing standing() const { return joining_ ? Standing::kServing : link_->peer().standing; }
  // It is being dialled, with no outcome yet.
  bool untried() const { return untried_; }
  bool placed() const { return placed_; }
  void set_placed(bool placed) { placed_ = placed; }
  // Given back because the replica stops: they go elsewhere, in order, once it has settled the rest.
  std::vector<Held>& returned() { return returned_; }

  void OnUp(Link& link) override;
  void OnEnvelope(Link& link, std::unique_ptr<Envelope> envelope, Receipt receipt) override;
  void OnRefused(Link& link, Held held, RefusalReason reason) override;
  void OnRequest(Link& link, const std::string& body, Respond respond) override;
  void OnDraining(Link& link) override;
  void OnJoining(Link& link) override;
  void OnChangedOver(Link& link) override;
  void OnWritable(Link& link) override;
  void OnDown(Link& link, std::vector<Held> held) override;
  void OnDialFailed() override;

 private:
  Ring::State& ring_;
  const std::string address_;
  std::unique_ptr<LinkClient> client_;
  Link* link_ = nullptr;
  std::string alias_of_;
  bool listed_ = true;
  bool announced_draining_ = false;
  bool draining_ = false;  // for us
  bool joining_ = false;
  bool untried_ = true;
  bool placed_ = false;
  std::vector<Held> returned_;
  Loop::Timer redial_;
};

struct Ring::State {
  State(Loop& loop, Self self, Options options, Owner& owner, Local local);
  ~State();

  // Replicas.
  void OnDiscovered(const std::vector<std::string>& addresses);
  void OnUp(Replica& replica);
  void OnDown(Replica& replica, const Peer& peer, std::vector<Held> held);
  void Forget(Replica& replica);
  // Who is in service and who is not, by what is known of all now. `changeover`: whose doing it is, if it will say when
  // all have yielded.
  void Reconsider(const std::string& changeover = {});
  bool MayServe(const Replica& replica) const;
  bool LocalMayServe() const;
  bool KnowsItself() const;
  Standing BestStanding() const;
  void Place(Replica& replica, bool placed);
  void Change(const Placement::Members& members, const std::string& changeover);
  void OnChangedOver(Replica& replica);
  // Where nothing is under way any more.
  void YieldToReplicas();
  // What it has comes back at once.
  void Sever(Replica& replica);
  // The first is there: nobody serves before each of the others has been tried.
  void Gather();
  bool AllTried() const;
  void OnTried();
  void OnGatherTimeout();
  void StopGathering();
  void OnSettled(std::uint64_t change, const std::string& instance);
  void OnSettleTimeout(std::uint64_t change);
  // The replica gave something back because it stops.
  void OnReturned(Replica& replica);
  void Redirect(Replica& replica);
  Replica* FindInstance(const std::string& instance);
  void RedialAliases(const std::string& instance);

  // Envelopes.
  void Send(Held held);
  // nullptr: there is none.
  Link* LinkOf(const std::string* instance) const;
  // The link to whom the key belongs now; nullptr: there is nobody.
  Link* Home(std::uint64_t key) const;
  // The same, for questions.
  Link* HomeYet(std::uint64_t key) const;
  // The same, unless what was sent for the key before may not have arrived.
  Link* Route(std::uint64_t key) const;
  // No more of this key, please.
  bool Congested(std::uint64_t key) const;
  void Wait(Held held);
  // Older than what waits.
  void WaitFirst(std::vector<Held> held);
  void Pump();
  void GiveUpOld();
  void GiveBack(Held held, RefusalReason reason);
  void TellAvailability();

  // Asks.
  struct Asking {
    std::uint64_t key;
    std::string body;
    std::chrono::steady_clock::time_point deadline;
    Link::Done done;
    bool tried_again = false;
    Loop::Timer timer;  // while it waits for a replica
  };
  void Ask(const std::shared_ptr<Asking>& asking);
  void AskLater(const std::shared_ptr<Asking>& asking);

  struct Waiting {
    Held held;
    std::chrono::steady_clock::time_point since;
  };

  Loop& loop;
  const Self self;
  const Options options;
  const RingMetrics metrics;
  Owner& owner;
  std::unique_ptr<LocalLink> local;  // null: this process is no replica
  bool local_placed = false;
  Standing standing = Standing::kServing;
  bool draining = false;
  bool available = false;
  bool gathering = false;
  Loop::Timer gathering_limit;
  std::map<std::string, std::unique_ptr<Replica>> replicas;  // by address
  std::unordered_map<std::string, Link*> links;              // by instance: those in service or leaving
  Placement placement;
  std::vector<Loop::Timer> settle_timers;
  std::deque<Waiting> waiting;
  Loop::Timer waiting_timer;
  std::list<std::shared_ptr<Asking>> asking_later;
  // What is posted does nothing once this is gone.
  std::shared_ptr<State*> alive;
  std::unique_ptr<Discovery> discovery;
};

}  // namespace parley::rpc
