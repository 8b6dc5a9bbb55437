#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "parley/link/v1/link.pb.h"

namespace grpc {
class Server;
}

// The stream between two services (proto/parley/link/v1/link.proto has the contract). No gRPC and no Asio in this
// header. Everything here runs on the loop's thread; one more thread polls gRPC's completion queue.
namespace parley::rpc {

using link::v1::Envelope;
using link::v1::RefusalReason;

// Who a Hello said it is.
struct Peer {
  std::string service;
  std::string instance;
  std::string epoch;
  std::string address;  // where we dialled it, or where it came from
};

// Responsibility for an inbound envelope. Copies share it; when the last one goes, the envelope is acknowledged to its
// sender. Pass it along with whatever the envelope caused; drop it when nothing more is to be done. Loop's thread only.
class Receipt {
 public:
  Receipt() = default;  // nothing is owed
  // `settle(refusal)` is called once: REFUSAL_REASON_UNSPECIFIED means acknowledged.
  explicit Receipt(std::function<void(RefusalReason)> settle);
  // Gives the envelope back to its sender instead.
  void Refuse(RefusalReason reason);
  explicit operator bool() const { return state_ != nullptr; }

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// An envelope that we are still responsible for, with what we owe for it.
struct Held {
  std::unique_ptr<Envelope> envelope;
  Receipt receipt;
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
  // Below the low-water mark again, after congested() was true.
  virtual void OnWritable(Link& link) = 0;
  // The stream broke. `held`: everything that the peer had not acknowledged, in the order sent.
  virtual void OnDown(Link& link, std::vector<Held> held) = 0;

 protected:
  ~LinkHandler() = default;
};

struct LinkOptions {
  std::uint32_t window = 8192;  // envelopes that the peer may have unacknowledged with us
  std::uint64_t window_bytes = 16 << 20;
  std::uint32_t batch = 256;  // envelopes in one gRPC message
  std::uint32_t batch_bytes = 65536;
  std::chrono::milliseconds hello_timeout{5000};
  std::chrono::milliseconds keepalive{2000};  // HTTP/2 ping when nothing comes
  std::chrono::milliseconds keepalive_timeout{3000};
  std::chrono::milliseconds reconnect_min{50};
  std::chrono::milliseconds reconnect_max{2000};
};

// One end of a stream. Writes adaptively: one gRPC write in flight, what gathers meanwhile is the next batch; flushed
// at the end of a loop turn.
class Link {
 public:
  virtual ~Link() = default;
  virtual const Peer& peer() const = 0;
  // Never fails and never blocks: queued until the peer's window has room. The caller minds congested().
  virtual void Send(std::unique_ptr<Envelope> envelope, Receipt receipt) = 0;
  // More is queued or unacknowledged than the peer's window takes: stop reading from whoever feeds it.
  virtual bool congested() const = 0;
  virtual std::size_t unacknowledged() const = 0;
  using Done = std::function<void(Result<std::string>)>;
  // `done` gets the reply's body, or an Error after `timeout` or when the link breaks. Loop's thread.
  virtual void Ask(std::string body, std::chrono::milliseconds timeout, Done done) = 0;
  virtual void AnnounceDraining() = 0;
  virtual void Close() = 0;
};

// Counts that both kinds of endpoint keep; the owner exports them.
struct LinkMetrics;

// What this process says of itself in each Hello.
struct Self {
  std::string service;
  std::string instance;
  std::string epoch;
};

// Dials one address and keeps dialling when the stream breaks (with jittered backoff), until destroyed.
class LinkClient {
 public:
  LinkClient(Loop& loop, Self self, std::string address, LinkOptions options, LinkHandler& handler);
  ~LinkClient();
  const std::string& address() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Accepts streams. Further gRPC services (unary, callback API) can be served beside it: see rpc/server.h.
class LinkService;

}  // namespace parley::rpc
