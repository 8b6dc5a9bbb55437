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
#include "services/c2s/session/availability.h"
#include "services/c2s/session/departure.h"
#include "services/c2s/session/early.h"
#include "services/c2s/session/life.h"
#include "services/c2s/session/unanswered.h"
#include "services/c2s/session/uplink.h"
#include "services/c2s/sm/management.h"
#include "services/c2s/stream/identity.h"

namespace parley::c2s {

class Stream;

// A bound resource, or one that is being bound or claimed: what outlasts the stream's stages, and what routers know by
// its id. Its state changes by the table in life.h, and by nothing else. An ended session lives on, unknown to routers,
// until they have taken all that it sent, and its SessionEnded.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  using State = life::State;
  using Event = life::Event;

  // `stream` is nullptr for a session that is to be claimed.
  Session(Context& context, Stream* stream, const Identity& identity, std::string id);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  State state() const { return state_; }
  const std::string& id() const { return id_; }
  // Of this object: a session that is claimed again has another.
  std::uint64_t number() const { return number_; }
  const xmpp::Jid& jid() const { return jid_; }  // bare while binding
  Uplink& uplink() { return uplink_; }
  Departure& departure() { return departure_; }
  Unanswered& unanswered() { return unanswered_; }
  Context& context() const { return context_; }
  // nullptr: without stream management.
  Management* management() { return management_.get(); }
  bool paused() const;
  // No other edge can have it, and no router can take us for dead: our lease has not lapsed, and a router was linked,
  // since the session was bound, claimed or put back.
  bool certain() const;
  // What its client says may go on. Not while the client may have the session elsewhere, where it says it again; nor,
  // without stream management, while the session is about to be put back: an answer would not find it before.
  bool MayAct() const;
  // The same of what goes to a router that is only just there.
  bool MayGo() const;
  // It is ours, as of now.
  void Confirm();
  // Of the node, when it was confirmed or, before, asked for.
  std::uint32_t generation() const { return generation_; }
  bool attached() const { return stream_ != nullptr && state_ == State::kBound; }
  bool anonymous() const { return anonymous_; }

  // It is to be claimed, under this name of its queue.
  void SetClaim(std::string queue) { claim_ = std::move(queue); }
  const std::string& claim() const { return claim_; }
  // The router bound `jid`. What it delivered before its answer was read follows now.
  void Activate(xmpp::Jid jid);
  // Stream management begins (XEP-0198 section 3): from now on what is written counts.
  void Manage(Management::Terms terms);
  // The session was claimed from another edge: it is as that one left it, and away.
  void Adopt(const session::v1::Record& record, session::QueueContents contents);

  // Something that its client said was read since the session was bound. One that does not wait for answers may have
  // said it before, and hung up: what is written to it then is lost, as on any connection that breaks.
  void Hear() { heard_ = true; }
  // A stanza of the client, stamped, with its number.
  void Submit(std::unique_ptr<xmpp::Envelope> stanza);
  // Its client is not read while more of what it sent is under way than may be.
  void Throttle();
  // The first of what comes from the store together is next.
  void BeginBatch() { batch_refused_ = false; }
  // A stanza for the client, with its mark: takes both, or says why not.
  rpc::RefusalReason Deliver(std::unique_ptr<xmpp::Envelope>& envelope, const session::Mark& mark,
                             rpc::Receipt& receipt);
  // One that came before the session is ready for it.
  void Keep(std::unique_ptr<xmpp::Envelope> envelope, rpc::Receipt receipt);
  // The same for one that is over: behind what it took and gives back, as routers go by that order.
  void Refuse(std::unique_ptr<xmpp::Envelope> envelope, rpc::Receipt receipt);
  // A router has put it into the queue meanwhile, which is read.
  void NoteQueued(const xmpp::Envelope& envelope);
  // What it has for its client and Redis has not goes back to the router.
  void GiveBack();
  // Whether there is any of that.
  bool owes() const;
  // A stanza of our own for the client.
  void Write(std::string_view stanza);
  void WriteOwn(xmpp::Envelope envelope);
  // Something that is no stanza, if a stream is there.
  void WriteElement(std::string_view xml);
  // A stanza that Outbound has accounted for.
  void WriteManaged(std::string_view stanza);
  void FailStream(const xmpp::StreamError& error);
  // The router says that the stream has to end.
  void Disconnect(const link::v1::Disconnect& request);

  // Its client is back by `stream`, on which it got `handled` stanzas. False: it got no such number.
  bool Attach(Stream& stream, std::uint32_t handled);
  // `stream` is over: the session is away, or ends.
  void OnStreamEnd(const Stream& stream, std::string_view reason);
  // Another stream of its client is to have it: the one that it has ends with conflict, and it is away.
  void Replace(const std::string& text);
  // It is over (Departure).
  void End(Event event, std::string_view reason) { departure_.End(event, reason); }
  // Routers find it no more, nor does its stream: the departure's to do. False: not in this state.
  bool Leave(Event event);

  // The session's stanza `seq` came back: nobody took it.
  void OnUndeliverable(const xmpp::Envelope& envelope, const xmpp::StanzaError& error);
  void OnSettled(std::uint64_t seq);
  void OnUplinkReady();

  // For the router that is to put it back (session.v1.Restore).
  session::v1::Record ToRecord() const;
  // The router has put it back.
  void OnRestored();
  // Whether a broadcast presence with this number is still what the client last said.
  bool IsLatestPresence(std::uint64_t seq) const { return state_ != State::kEnded && availability_.IsLatest(seq); }

 private:
  void Note(const xmpp::Envelope& envelope);
  std::unique_ptr<tracing::Span> StartTrace(xmpp::Envelope& envelope);
  // The client is gone; the session may be resumed.
  void Detach(Event event);
  // False: that does not happen in this state, which stays.
  bool Change(Event event);
  bool in_doubt() const;
  // Somebody reads what is written, as far as we know.
  bool HasReader() const;
  void Count(double change);
  rpc::RefusalReason Take(std::unique_ptr<xmpp::Envelope>& envelope, const session::Mark& mark, rpc::Receipt& receipt);
  rpc::RefusalReason Overflow();
  // Of what comes once nobody is here to take it.
  rpc::RefusalReason WhyGone() const;
  // False: what it answers had been answered before.
  bool TakeAnswer(const xmpp::Envelope& answer, Uplink::Delivery delivery);

  Context& context_;
  Stream* stream_;  // nullptr while away, and once ended
  Uplink uplink_;
  std::string id_;
  std::uint64_t number_;
  xmpp::Jid jid_;
  Early early_;        // delivered while binding, or ending
  std::string claim_;  // its queue, while it is being claimed
  std::unique_ptr<Management> management_;
  Unanswered unanswered_;
  Departure departure_;
  Availability availability_;
  std::uint32_t generation_;  // of the lease under which it is ours
  std::int64_t bound_at_ = 0;
  std::string_view mechanism_;
  bool heard_ = false;
  State state_ = State::kBinding;
  bool anonymous_ = false;
  bool batch_refused_ = false;  // the rest of a batch from the store
  bool interested_ = false;     // asked for its roster (RFC 6121 2.1.6)
};

}  // namespace parley::c2s
