#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/rpc/ring.h"
#include "libs/session/queue.h"
#include "libs/storage/lease.h"
#include "libs/storage/redis.h"
#include "parley/session/v1/session.pb.h"

namespace parley::router::testing {

class Edge;

// A client's session on a fake edge.
class Client {
 public:
  Client(Edge& edge, std::string account, std::string id)
      : account_(std::move(account)), id_(std::move(id)), edge_(edge) {}

  // As c2s does: parsed, stamped, and sent the way that its address says.
  void Send(std::string_view stanza);
  // The stream closed.
  void Close(const std::string& reason = "closed", const std::string& header = {});

  // What came since the last call.
  std::vector<std::string> Take() { return std::exchange(received_, {}); }
  const std::vector<std::string>& received() const { return received_; }
  const std::string& jid() const { return jid_; }
  const std::string& id() const { return id_; }
  const session::v1::Bound& bound() const { return bound_; }
  // The condition of the stream error that ended it.
  const std::string& disconnected() const { return disconnected_; }
  std::uint64_t sent() const { return sent_; }

  // XEP-0198. The name of its queue in Redis; empty: none.
  const std::string& queue() const { return queue_; }
  const session::v1::Resumed& resumed() const { return resumed_; }
  bool handed_over() const { return handed_over_; }

 private:
  friend class Edge;
  std::string account_;
  std::string id_;
  std::string bind_;  // what was asked
  std::string jid_;
  session::v1::Bound bound_;
  bool answered_ = false;
  std::string disconnected_;
  std::vector<std::string> received_;
  std::uint64_t sent_ = 0;
  std::string queue_;
  std::uint64_t acked_ = 0;
  std::deque<session::Mark> unacked_;
  std::map<std::uint64_t, session::v1::Seen> seen_;
  session::v1::Resumed resumed_;
  bool handed_over_ = false;
  std::vector<rpc::Held> early_;  // came before the queue was read
  Edge& edge_;
};

// Stands for a c2s process: a ring of links to all routers, a lease, sessions.
class Edge final : private rpc::Ring::Owner {
 public:
  Edge(Loop& loop, const std::string& instance, const std::vector<std::string>& routers,
       const storage::RedisOptions& redis, std::chrono::milliseconds lease_ttl);
  ~Edge();

  bool ready() const;
  // The router that serves it now.
  std::string HomeOf(const std::string& account) const { return ring_->InstanceFor(account); }
  // Asks for a binding; bound() tells what came of it, once answered() is true.
  Client& Bind(const std::string& account, const std::string& resource,
               session::v1::Conflict conflict = session::v1::CONFLICT_REPLACE_OLD, bool anonymous = false);
  // Asks the same once more, as after the death of the router that was asked.
  void BindAgain(Client& client);
  bool answered(const Client& client) const { return client.answered_; }
  void Restore(Client& client, session::v1::Record record, std::function<void(bool)> done);
  // Forgets a session without a word, as if it had never been.
  void Lose(Client& client) { lost_.push_back(client.id()); }
  // It is over, as it has said to a router that nobody knows any more.
  void EndUnheard(Client& client) {
    Lose(client);
    over_.push_back(client.id());
  }
  void Regain(const Client& client) { std::erase(lost_, client.id()); }
  // Stream management, as c2s does it: what is delivered is appended to the session's queue and written to the client
  // when it is there.
  void Enable(Client& client, std::uint64_t resume_ms);
  // The client acknowledges the oldest `count`. `asked`: ids of Juliet's requests among them that it has not answered.
  void Acknowledge(Client& client, std::uint64_t count, const std::vector<std::uint64_t>& replied = {},
                   const std::vector<std::string>& asked = {});
  // The same, but Redis cannot be told any more, and of these knows only the oldest `sure` by number. Its stream
  // closes.
  void CloseUnnoted(Client& client, std::uint64_t count, std::uint64_t sure,
                    const std::vector<std::uint64_t>& replied = {}, const std::vector<std::string>& asked = {});
  // And has answered request `id` of hers by its stanza `answer`, which is not known to have arrived.
  void SetAnswering(const Client& client, const std::string& id, std::uint64_t answer);
  // Without Redis the client acknowledges more than the queue has: that is sure up to `after`.
  void SayUnlogged(const Client& client, std::uint64_t after);
  // A new stream for a session of this edge, of another one, or of none. resumed() tells what came of it, once
  // answered() is true. What was in its queue is received again.
  Client& Resume(const Client& session, const std::string& queue = {});
  // Neither takes nor answers anything from routers, until told otherwise; its lease goes on.
  void SetFrozen(bool frozen);
  // The oldest of what came meanwhile.
  void TakeOneFrozen();
  // It counts as dead soon; its links stay.
  void EndLease() {
    lease_.Release([] {});
  }
  // As an operator does.
  void Kick(const Client& client);
  std::size_t frozen() const { return frozen_deliveries_.size(); }

  // The time, unix milliseconds, that it notes with what it queues.
  void SetClock(std::int64_t now) { now_ = now; }

  // Takes deliveries but does not acknowledge them, until told otherwise.
  void SetHolding(bool holding);
  // Lets go of no session: not now.
  void SetKeeping(bool keeping) { keeping_ = keeping; }
  void SetOverloaded(bool overloaded) { overloaded_ = overloaded; }
  // Takes what is new, but nothing that was stored: it does not know whether its sessions are its yet.
  void SetInDoubt(bool in_doubt) { in_doubt_ = in_doubt; }
  // Refuses the next one from the store, and so what is behind it in its batch.
  void RefuseNextStored() { refuse_stored_ = true; }
  // Its links break and stay so, while its lease goes on.
  void Disconnect() { ring_.reset(); }
  void Reconnect();
  // From now on to these routers alone.
  void Reconnect(std::vector<std::string> routers);
  // Sends an envelope again, as after a router's death.
  void SendAgain(std::unique_ptr<rpc::Envelope> envelope);

  void ForgetReceived();
  // By what it recognises repeats.
  void ForgetSeen() { seen_.clear(); }

  std::size_t unacknowledged() const { return ring_ ? ring_->unacknowledged() : 0; }
  // Nobody waits for messages to be acknowledged, until somebody does.
  void Hurry() {
    if (ring_) ring_->Hurry();
  }
  // From now on somebody waits for each, as its client has stream management.
  void SetAsked(bool asked) { asked_ = asked; }
  const std::string& instance() const { return instance_; }
  const std::string& epoch() const { return lease_.epoch(); }
  // Envelopes that no router took.
  const std::vector<std::string>& undeliverable() const { return undeliverable_; }
  // The last envelope sent.
  const rpc::Envelope& last() const { return last_; }
  int repeats() const { return repeats_; }
  // What came marked as a possible repeat.
  int doubtful() const { return doubtful_; }
  // Answers that came marked as possible repeats.
  int doubtful_answers() const { return doubtful_answers_; }

 private:
  friend class Client;
  void Send(std::unique_ptr<rpc::Envelope> envelope);

  void OnEnvelope(rpc::Link& link, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) override;
  bool TakesStored(const rpc::Envelope& kept);
  void OnDelivery(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);
  std::uint64_t& Exactly(const session::Mark& mark, const std::string& session);
  void Take(Client& client, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);
  void Queue(Client& client, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);
  static session::Mark MarkToAcknowledge(const rpc::Envelope& envelope);
  static void NoteAcknowledged(Client& client, std::uint64_t count);
  static session::v1::QueueHeader NextHeader(Client& client, std::uint64_t count,
                                             const std::vector<std::uint64_t>& replied,
                                             const std::vector<std::string>& asked);
  void HandOver(const std::string& session, rpc::Receipt receipt);
  void OnResumed(Client& client, session::v1::Resumed resumed);
  void OnQueue(Client& client, const Result<session::QueueContents>& contents);
  Client* Find(const std::string& session);
  rpc::RefusalReason WhyGone(const std::string& session) const;
  void OnRequest(rpc::Link&, const std::string&, rpc::LinkHandler::Respond) override {}
  void OnUndeliverable(rpc::Held held, rpc::RefusalReason reason) override;
  void OnAvailability(bool) override {}
  void OnWritable() override {}

  Loop& loop_;
  std::string instance_;
  std::vector<std::string> routers_;
  storage::Redis redis_;
  std::map<std::string, std::unique_ptr<Client>> clients_;
  std::map<std::string, std::unique_ptr<Client>> resuming_;
  std::vector<std::unique_ptr<Client>> gone_;
  std::vector<rpc::Held> frozen_deliveries_;
  bool frozen_ = false;
  std::vector<std::string> lost_;
  std::vector<std::string> over_;  // of these
  std::vector<rpc::Receipt> receipts_;
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> seen_;  // highest number, by mark and session
  std::vector<std::string> undeliverable_;
  rpc::Envelope last_;
  std::int64_t now_ = 1'700'000'000'000;
  bool holding_ = false;
  bool overloaded_ = false;
  bool in_doubt_ = false;
  bool refuse_stored_ = false;
  bool batch_refused_ = false;
  bool keeping_ = false;
  bool asked_ = false;
  int repeats_ = 0;
  int doubtful_ = 0;
  int doubtful_answers_ = 0;
  const std::string process_;
  storage::NodeLease lease_;
  std::unique_ptr<rpc::Ring> ring_;
};

}  // namespace parley::router::testing
