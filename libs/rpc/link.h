#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "libs/tracing/span.h"
#include "parley/link/v1/link.pb.h"

namespace parley::telemetry {
class Metrics;
}

// The stream between two services (proto/parley/link/v1/link.proto has the contract). No gRPC and no Asio in this
// header. Everything here runs on the loop's thread.
namespace parley::rpc {

class Security;

using link::v1::Envelope;
using link::v1::RefusalReason;

// An empty envelope, used before if possible: its strings then have their memory, which saves most of the allocations
// per stanza. Recycle() takes one that is done with; links do that with what was acknowledged.
std::unique_ptr<Envelope> NewEnvelope();
void Recycle(std::unique_ptr<Envelope> envelope);

// Of a replica. Nothing is sent to it as long as another one has a better standing.
enum class Standing {  // the best first
  kServing,
  kStarting,  // it will join when all know it
  kAway,      // it lacks something
};

// Who a Hello said it is.
struct Peer {
  std::string service;
  std::string instance;
  std::string epoch;
  std::string address;         // where we dialled it, or where it came from
  std::uint32_t protocol = 0;  // that both of us speak
  std::string version;         // its release; empty: one that does not say
  Standing standing = Standing::kServing;
  bool changes_over = false;  // it knows of changeovers (link.proto)
};

// Responsibility for an inbound envelope. Copies share it; when the last one goes, the envelope is acknowledged to its
// sender. Pass it along with whatever the envelope caused; drop it when nothing more is to be done. Once the link that
// the envelope came by is gone, dropping it does nothing. Loop's thread only: the count is not atomic.
class Receipt {
 public:
  // What is owed for one envelope.
  class Debt {
   public:
    Debt() = default;
    Debt(const Debt&) = delete;
    Debt& operator=(const Debt&) = delete;
    virtual ~Debt() = default;

    // It is owed to nobody any more, who sends the envelope again.
    virtual bool severed() const { return false; }
    // Nobody waits for it to be settled, for now.
    virtual bool unhurried() const { return false; }
    // Of copies, each with a debt of its own: one of them was taken.
    virtual bool taken() const { return false; }

   private:
    friend class Receipt;
    // Called once: REFUSAL_REASON_UNSPECIFIED means acknowledged.
    virtual void Settle(RefusalReason refusal) = 0;

    std::uint32_t copies_ = 1;
    bool abandoned_ = false;
    RefusalReason refusal_ = link::v1::REFUSAL_REASON_UNSPECIFIED;
    std::unique_ptr<tracing::Span> span_;
  };

  Receipt() = default;  // nothing is owed
  explicit Receipt(std::function<void(RefusalReason)> settle);
  explicit Receipt(std::unique_ptr<Debt> debt) : debt_(debt.release()) {}
  Receipt(const Receipt& other) : debt_(other.debt_) {
    if (debt_ != nullptr) ++debt_->copies_;
  }
  Receipt(Receipt&& other) noexcept : debt_(std::exchange(other.debt_, nullptr)) {}
  Receipt& operator=(Receipt other) noexcept {
    std::swap(debt_, other.debt_);
    return *this;
  }
  ~Receipt() {
    if (debt_ != nullptr) Release();
  }

  // Gives the envelope back to its sender instead, as soon as the other copies are gone too (whoever has one may still
  // be at work on the envelope).
  void Refuse(RefusalReason reason);
  // Neither acknowledges nor refuses, whatever other copies say: the process is going, and the sender will find out.
  void Abandon();
  explicit operator bool() const { return debt_ != nullptr; }
  // The link by which the envelope came is broken: its sender has sent it again by then, maybe by another way.
  bool severed() const { return debt_ != nullptr && debt_->severed(); }
  // Nobody waits for it to be settled, for now: so nobody waits for what is sent with it to be acknowledged.
  bool unhurried() const { return debt_ != nullptr && debt_->unhurried(); }

  // Of copies of what it was received for, one was taken: by this one's recipient, or by another.
  bool taken() const { return debt_ != nullptr && debt_->taken(); }

  // Our part in the way of a traced stanza (libs/rpc/trace.h). It ends when nothing more is owed. nullptr: not traced.
  tracing::Span* span() const { return debt_ == nullptr ? nullptr : debt_->span_.get(); }
  void SetSpan(std::unique_ptr<tracing::Span> span) {
    if (debt_ != nullptr) debt_->span_ = std::move(span);
  }

 private:
  void Release();
  static void EndSpan(Debt& debt);

  Debt* debt_ = nullptr;
};

// An envelope that we are still responsible for, with what we owe for it.
struct Held {
  std::unique_ptr<Envelope> envelope;
  Receipt receipt;
  // The sender's own mark, kept for it (the ring: hash of the key). Not transmitted.
  std::uint64_t mark = 0;
};

class Link;

class LinkHandler {
 public:
  // Hellos are exchanged. `link` lives until OnDown returns.
  virtual void OnUp(Link& link) = 0;
  virtual void OnEnvelope(Link& link, std::unique_ptr<Envelope> envelope, Receipt receipt) = 0;
  // The peer gave it back.
  virtual void OnRefused(Link& link, Held held, RefusalReason reason) = 0;
  // A request of the peer. Call `respond` once, at any time, on the loop's thread; dropped if the link is gone by then.
  using Respond = std::function<void(Result<std::string>)>;
  virtual void OnRequest(Link& link, const std::string& body, Respond respond) = 0;
  // The peer is about to stop: no new envelopes, please.
  virtual void OnDraining(Link& link) = 0;
  // The peer was away and begins to serve: Yield() once all that was sent before, to whomever, is settled.
  virtual void OnJoining(Link& link);
  // What was held back as the peer joins or drains may go.
  virtual void OnChangedOver(Link&) {}
  // Below the low-water mark again, after congested() was true.
  virtual void OnWritable(Link& link) = 0;
  // Somebody waits for what the peer has sent so far, and we have not settled: hurry those that it was passed on to.
  virtual void OnHurried(Link&) {}
  // The stream broke. `held`: everything that the peer had not acknowledged, in the order sent.
  virtual void OnDown(Link& link, std::vector<Held> held) = 0;
  // For who dials: nobody answered, or not as a peer does, in every way that there is to dial. It is dialled again.
  virtual void OnDialFailed() {}

 protected:
  ~LinkHandler() = default;
};

struct LinkOptions {
  std::uint32_t window = 8192;  // envelopes that the peer may have unacknowledged with us
  std::uint64_t window_bytes = 16 << 20;
  std::uint32_t batch = 256;  // envelopes in one gRPC message
  std::uint32_t batch_bytes = 65536;
  // An acknowledgement waits so long for a frame that goes anyway.
  std::chrono::milliseconds ack_delay{3};
  // The same on a link that had such a frame that lately: there the next one is near.
  std::chrono::milliseconds busy_ack_delay{12};
  // The same if nobody waits for it.
  std::chrono::milliseconds idle_ack_delay{200};
  // None waits when that many have gathered, or that many bytes of stanzas. At a quarter of the window at the latest.
  std::uint32_t ack_stanzas = 64;
  std::uint64_t ack_bytes = 256 << 10;
  // From dialling to the peer's Hello; from accepting to the end of the greetings of TLS and HTTP/2.
  std::chrono::milliseconds hello_timeout{5000};
  std::chrono::milliseconds keepalive{300};  // HTTP/2 ping when nothing comes
  std::chrono::milliseconds keepalive_timeout{1300};
  std::chrono::milliseconds reconnect_min{50};
  std::chrono::milliseconds reconnect_max{1000};
  // A unary call that may be repeated and is not answered for so long is made to another replica, too.
  std::chrono::milliseconds patience{500};
  std::uint32_t max_asks = 65536;  // requests waiting for a reply on one link; more fail at once
  // Of a ring, which has links to all replicas of a service. How long a change of its members waits for what went to
  // the former ones, and the first one that is up for the others to be tried.
  std::chrono::milliseconds settle_timeout{1000};
  std::uint32_t max_waiting = 65536;  // envelopes held while there is no replica at all or placement settles
  // Connections (HTTP/2), which links and calls go over.
  std::uint32_t max_connections = 5000;        // that a process accepts; more are refused
  std::uint32_t max_calls = 10000;             // at a time on one that was accepted
  std::uint32_t max_pending_calls = 10000;     // that a process makes of one service; more fail at once
  std::uint32_t max_header_bytes = 16384;      // of a call, or of its answer
  std::uint32_t max_message_bytes = 64 << 20;  // a whole roster, a page of offline messages
  std::uint32_t max_items = 200'000;           // stanzas, acknowledgements, asks and replies in one batch of a link
  std::uint64_t max_unread_bytes = 256 << 20;  // came on one connection, and are no whole message or not taken yet
  std::uint32_t receive_window = 4 << 20;      // bytes of a call that may be on their way
  // How both ends prove who they are, if they have to.
  std::shared_ptr<const Security> security;
  // Where the counters go (parley_link_*), if anywhere.
  telemetry::Metrics* metrics = nullptr;
};

// One end of a stream. Writes adaptively: one message in flight, what gathers meanwhile is the next batch; flushed
// at the end of a loop turn.
class Link {
 public:
  virtual ~Link() = default;
  virtual const Peer& peer() const = 0;
  // Never fails and never blocks: queued until the peer's window has room. The caller minds congested().
  virtual void Send(std::unique_ptr<Envelope> envelope, Receipt receipt) = 0;
  virtual void SendHeld(Held held) { Send(std::move(held.envelope), std::move(held.receipt)); }
  // More is queued or unacknowledged than the peer's window takes: stop reading from whoever feeds it.
  virtual bool congested() const = 0;
  virtual std::size_t unacknowledged() const = 0;
  // Somebody waits for that from now on. Costs nothing if somebody did before, or it was said since the last was sent.
  virtual void Hurry() {}
  // The same, if somebody has come to wait for what any of that was sent for (Receipt::unhurried()). Looks at all that
  // is not settled and was not hurried before.
  virtual void HurryOn() {}
  // Asks that wait for their replies.
  virtual std::size_t asking() const = 0;
  using Done = std::function<void(Result<std::string>)>;
  // `done` gets the reply's body, or an Error after `timeout` or when the link breaks. Loop's thread.
  virtual void Ask(std::string body, std::chrono::milliseconds timeout, Done done) = 0;
  virtual void AnnounceDraining() = 0;
  // To a peer that joins or drains: it need not wait for us.
  virtual void Yield() {}
  // What gathered is still written; OnDown follows, later. What came and is not settled is never acknowledged.
  virtual void Close() = 0;
  // Everything that is not settled, in the order sent; the link is of no more use. For an owner that knows before the
  // stream that the peer is gone.
  virtual std::vector<Held> Reclaim() { return {}; }
  // Number of the last stanza for this session that is queued or not settled; 0: none. Looks at all that are.
  virtual std::uint64_t LastFor(std::string_view session) const {
    (void)session;
    return 0;
  }
  // Whether all for it is, up to that number: they may be settled in another order than they were sent in.
  virtual bool IsSettledFor(std::string_view session, std::uint64_t number) const {
    (void)session;
    (void)number;
    return true;
  }
  // Calls back, later, once all that was sent until now is acknowledged or given back; never if the link breaks first.
  // Hurries.
  virtual void WhenSettled(std::function<void()> settled) { (void)settled; }
};

inline void LinkHandler::OnJoining(Link& link) { link.Yield(); }

// The Error of an Ask whose link broke before the reply: another replica may be asked.
inline constexpr char kLinkBroken[] = "the link broke";

// What this process says of itself in each Hello.
struct Self {
  std::string service;
  std::string instance;
  std::string epoch;
};

// Dials one address and keeps dialling when the stream breaks (with jittered backoff), until destroyed.
class LinkClient {
 public:
  // `service`: what the peer must call itself; empty: anything.
  LinkClient(Loop& loop, Self self, std::string address, LinkOptions options, LinkHandler& handler,
             std::string service = {});
  ~LinkClient();
  const std::string& address() const;
  // Dials now, if it waits before it dials again, or has dialled for longer than it would ever wait.
  void Hurry();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::rpc
