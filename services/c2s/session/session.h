#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libs/rpc/link.h"
#include "libs/xmpp/errors.h"
#include "libs/xmpp/jid.h"
#include "libs/xmpp/stanza.h"
#include "parley/session/v1/session.pb.h"
#include "services/c2s/context.h"
#include "services/c2s/session/uplink.h"
#include "services/c2s/stream/identity.h"

namespace parley::c2s {

class Stream;

// A bound resource, or one that is being bound: what outlasts the stream's stages, and what routers know by its id.
//   kBinding --Activate--> kBound --End--> kEnded
//       \-----------------End--------------^
// An ended session lives on, unknown to routers, until they have taken all that it sent and its SessionEnded.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  enum class State : std::uint8_t { kBinding, kBound, kEnded };

  Session(Context& context, Stream& stream, std::string id);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  State state() const { return state_; }
  const std::string& id() const { return id_; }
  const xmpp::Jid& jid() const { return jid_; }  // bare while binding
  Uplink& uplink() { return uplink_; }
  Context& context() const { return context_; }

  // The router bound `jid`. What it delivered before its answer was read follows now.
  void Activate(xmpp::Jid jid);
  // A stanza of the client, stamped, with its number.
  void Submit(xmpp::Envelope envelope);
  // A stanza for the client. The reason why it is not taken, or REFUSAL_REASON_UNSPECIFIED.
  rpc::RefusalReason Deliver(const xmpp::Envelope& envelope);
  // Something of our own for the client.
  void Write(std::string_view stanza);
  // The router says that the stream has to end.
  void Disconnect(const link::v1::Disconnect& request);
  // The stream is over: tells the home router. Idempotent.
  void End(std::string_view reason);

  // The session's stanza `seq` came back: nobody took it.
  void OnUndeliverable(const xmpp::Envelope& envelope, const xmpp::StanzaError& error);
  void OnSettled(std::uint64_t seq);
  void OnUplinkReady();

  // For the router that is to put it back (session.v1.Restore).
  session::v1::Record ToRecord() const;
  // Whether a broadcast presence with this number is still what the client last said.
  bool IsLatestPresence(std::uint64_t seq) const { return state_ == State::kBound && seq == presence_seq_; }

 private:
  void Note(const xmpp::Envelope& envelope);

  Context& context_;
  Stream* stream_;  // nullptr once ended
  Uplink uplink_;
  std::string id_;
  xmpp::Jid jid_;
  std::string early_;     // delivered while binding
  std::string presence_;  // last broadcast, empty: not available
  std::uint64_t presence_seq_ = 0;
  std::int64_t bound_at_ = 0;
  std::string_view mechanism_;
  State state_ = State::kBinding;
  bool anonymous_ = false;
  bool interested_ = false;  // asked for its roster (RFC 6121 2.1.6)
};

}  // namespace parley::c2s
