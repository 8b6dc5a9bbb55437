#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/task.h"
#include "libs/rpc/link.h"
#include "services/router/account.h"
#include "services/router/metrics.h"
#include "services/router/nodes.h"
#include "services/router/options.h"
#include "services/router/parked.h"

namespace parley::router {

// Why a delivery came back.
enum class Failure {
  kGone,      // the session, or its edge, is no more
  kOver,      // the session is over, as its edge has said, maybe to another router
  kFull,      // the session's queue is full
  kTimeout,   // the edge lives but does not take it
  kOutdated,  // perhaps: a roster push that waited, or was sent before, and that goes by its account's turn now
};

// The links that edges opened to us. What an edge did not acknowledge when its link broke is parked, and what is new
// behind it, until the edge comes back or is known to be dead.
class Edges {
 public:
  class Owner {
   public:
    virtual void OnUndelivered(rpc::Held held, Failure failure) = 0;

   protected:
    ~Owner() = default;
  };

  Edges(Loop& loop, Nodes& nodes, const Options& options, Metrics& metrics, Owner& owner);

  // `held.envelope` becomes a delivery to the session, and `held.mark` says where it went.
  void Deliver(const Record& record, rpc::Held held);
  // Tells the session's owners apart.
  static std::uint64_t MarkOf(const Record& record);
  // Its edge may have something for the session that it has not settled.
  bool HasFor(const Record& record) const;
  // It has, or something waits for it to come back.
  bool MayGiveBack(const Record& record) const;
  // Until it has settled that, and what it refused is back (Owner::OnUndelivered); its link broke, and what it had is
  // parked; or router.handover_timeout is over.
  Task<void> Settled(Record record) const;
  // The same for all of these, but no longer than it takes to notice that an edge cannot be reached.
  Task<void> SettledOrCutOff(std::vector<Record> records) const;
  // What waits for this session, in order: it is over, or elsewhere.
  std::vector<rpc::Held> TakeParked(const Record& record);
  // What waits for its edge to come back, in order. May change it where it is, and deliver nothing.
  void ForEachParked(const Record& record, const std::function<void(rpc::Held&)>& change);

  // XEP-0198: another stream wants the session. Its edge, which must be linked, is asked to let go of it, behind all
  // that was sent to it. What comes for the session meanwhile and afterwards waits here, until TakeParked or Release.
  enum class HandOver {
    kDone,
    kGone,    // the edge does not have it
    kBroken,  // its link broke
    kLate,    // not now, or no answer within router.handover_timeout
  };
  using HandedOver = std::function<void(HandOver)>;
  void AskToHandOver(const Record& record, HandedOver done);
  // The same for an edge that need not be asked: its link may come back at any time. If another has the session by now,
  // what this one gives back does not wait.
  void Hold(const Record& record);
  bool IsAsked(const std::string& session) const;
  // The session stays where it is.
  void Release(const std::string& session);
  // Gives back at once what waits for a node that died.
  void OnNodeDied(const Nodes::Node& node);

  void OnUp(rpc::Link& link);
  void OnDown(rpc::Link& link, std::vector<rpc::Held> held);
  void OnRefused(rpc::Held held, rpc::RefusalReason reason);

  bool linked(const std::string& instance) const;
  // nullptr: it has none.
  rpc::Link* LinkOf(const std::string& instance) const;
  // What waits for it, or is on its way.
  std::size_t unacknowledged(const std::string& instance) const;
  std::size_t unacknowledged() const;
  // Somebody waits for what the edges have not settled.
  void Hurry();
  // The same, where somebody has come to wait for what it was sent for.
  void HurryOn();

 private:
  using Clock = std::chrono::steady_clock;
  struct Edge {
    rpc::Link* link = nullptr;
    std::string epoch;  // of its lease, as the last record that we saw of it says
    bool dead = false;  // that one
    Parked parked;
  };

  struct Leaving {
    Record record;
    Parked::Items waiting;
    std::vector<HandedOver> done;  // not empty: it is asked
    std::uint64_t asked = 0;       // tells the questions apart
    Loop::Timer timer;
  };

  Task<bool> SettledBefore(Clock::time_point late, Record record) const;
  bool IsDead(Edge& edge, const Record& record);
  Parked::Items Extract(const Record& record);
  void Wait(Leaving& leaving, rpc::Held held);
  void Hand(Edge& edge, rpc::Held held);
  void HandLate(Edge& edge, rpc::Held held);
  // False: `held` is given back, as so many wait already.
  bool MayPark(std::size_t waiting, rpc::Held& held);
  void OnHandedOver(std::string session, std::uint64_t asked, HandOver outcome);
  void GiveBack(Parked::Items parked, Failure failure);
  void Sweep();
  void CountParked(int change);

  Loop& loop_;
  Nodes& nodes_;
  Options options_;
  Metrics& metrics_;
  Owner& owner_;
  std::map<std::string, Edge, std::less<>> edges_;  // by instance
  std::map<std::string, Leaving> leaving_;          // by session
  std::uint64_t asked_ = 0;
  std::size_t parked_ = 0;
  Loop::Timer timer_;
};

}  // namespace parley::router
