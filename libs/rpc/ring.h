#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/rpc/discovery.h"
#include "libs/rpc/link.h"

namespace parley::rpc {

// The error of an ask that no replica has ever got. After any other it may have been done.
inline constexpr char kNoReplica[] = "no replica to ask";

// Chooses among replicas by rendezvous hashing: the same key goes to the same instance everywhere, and when one comes
// or goes only its own keys move.
class Rendezvous {
 public:
  void Add(const std::string& instance);
  void Remove(const std::string& instance);
  bool Has(const std::string& instance) const;
  // nullptr when there is none.
  const std::string* Choose(std::string_view key) const;
  // The same for a key's hash (StableHash).
  const std::string* ChooseHash(std::uint64_t hash) const;
  std::size_t size() const { return members_.size(); }
  bool operator==(const Rendezvous& other) const = default;

 private:
  std::vector<std::pair<std::string, std::uint64_t>> members_;  // instance, its hash
};

// The links of this process to all replicas of one service (the routers, the rosters), found by Discovery.
// Sends each envelope to the replica that its key's hash names. When a replica dies, what it had not acknowledged goes,
// in order and marked `repeat`, to those that take over its keys. When one joins or drains, new envelopes wait until
// those sent under the old placement are acknowledged (at most `link.settle_timeout`): the order between two entities
// holds. One that says that it is away (Standing) serves only while no other does; what it has then goes elsewhere like
// that of one that died. One that joins or drains by a changeover (link.proto) gets its keys, or loses them, for all
// senders at once: they hold back what is for those keys until all have settled what they had sent before; asks go to
// whoever has the key yet. A process that is one of the replicas itself passes on what others wait for, so it holds
// nothing back, but goes by the old placement until then. The first replica that is up where none was (at the start, or
// after all were gone) would be taken for the home of every key. So it gets nothing until each other address has been
// tried since (linked, refused, timed out), at most `link.settle_timeout`: until then there is no replica for whoever
// asks.
class Ring {
 public:
  struct Options {
    DiscoveryOptions discovery;
    LinkOptions link;
    // Held that long without any replica, then the owner's again.
    std::chrono::milliseconds no_replica_timeout{5000};
    // What the replicas call themselves ("router"); empty: whoever answers.
    std::string service;
  };
  class Owner {
   public:
    // From a replica to us.
    virtual void OnEnvelope(Link& link, std::unique_ptr<Envelope> envelope, Receipt receipt) = 0;
    virtual void OnRequest(Link& link, const std::string& body, LinkHandler::Respond respond) = 0;
    // There is nobody to give it to (UNSPECIFIED: no replica for no_replica_timeout; OVERLOADED: too many wait), or the
    // replica refused it: yours again. Never from inside Send().
    virtual void OnUndeliverable(Held held, RefusalReason reason) = 0;
    // The first replicas are up, or all gone.
    virtual void OnAvailability(bool available) = 0;
    // Whether what had to wait, or a broken link gives back, may go now: otherwise it comes by OnUndeliverable.
    virtual bool MayGo(const Envelope&) { return true; }
    // congested() became false for some keys.
    virtual void OnWritable() = 0;

   protected:
    ~Owner() = default;
  };

  // When this process is one of the replicas itself, envelopes whose key it owns go to `local` instead, and asks to
  // OnRequest, both later, in order.
  using Local = std::function<void(std::unique_ptr<Envelope>, Receipt)>;
  Ring(Loop& loop, Self self, Options options, Owner& owner, Local local = {});
  ~Ring();

  // `key`: a bare JID, which may be a part of the envelope. True: congested(key), by now.
  bool Send(std::string_view key, std::unique_ptr<Envelope> envelope, Receipt receipt);
  void Ask(std::string_view key, std::string body, std::chrono::milliseconds timeout, Link::Done done);
  // Each replica that is up, but not this process; `done` gets each answer. How many were asked.
  std::size_t AskOthers(const std::string& body, std::chrono::milliseconds timeout, const Link::Done& done);
  // Of the instance that serves `key` now; "" if none.
  std::string InstanceFor(std::string_view key) const;
  bool congested(std::string_view key) const;
  // The key changes hands, and what is sent for it waits.
  bool settling(std::string_view key) const;
  bool available() const;
  // Each address that discovery gave has been tried; if this process is a replica, its own is among them.
  bool complete() const;
  // To all replicas that are up, to this process too if it is one. For the caller's turn.
  std::vector<const Link*> links() const;
  // This process, as one of the replicas. Others hear of it by Server::Announce. What it asked itself it asks who
  // serves then, if it is away.
  void Announce(Standing standing);
  // All replicas: finish what we sent, send us nothing new.
  void AnnounceDraining();
  std::size_t unacknowledged() const;
  // Somebody waits for that from now on.
  void Hurry();
  // The same, where somebody has come to wait for what it was sent for.
  void HurryOn();

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace parley::rpc
