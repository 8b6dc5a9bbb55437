#pragma once

#include <map>
#include <memory>
#include <string>

#include "libs/rpc/link.h"
#include "libs/xmpp/errors.h"
#include "libs/xmpp/stanza.h"
#include "services/router/account.h"
#include "services/router/domains.h"
#include "services/router/edges.h"
#include "services/router/metrics.h"
#include "services/router/peers.h"

namespace parley::router {

using link::v1::Envelope;
using rpc::Held;
using rpc::Receipt;

// By a session that ended (Unacknowledged).
inline bool IsLeft(const Envelope& envelope) { return !envelope.unacknowledged_by().empty(); }

// The ways out of this router. Whatever goes takes a share of the receipt of what it comes from, so that it is
// acknowledged only when all that came of it is.
class Sender {
 public:
  Sender(Edges& edges, Peers& peers, const Domains& domains, Metrics& metrics);

  // To one session of an account that is at home here.
  void Deliver(const Session& session, Held held);
  void Deliver(const Session& session, Envelope envelope, Receipt receipt);
  // As it is, to the home of `to`; one more copy of it, to other addressees, needs Copy().
  void Forward(Held held);
  void Forward(Envelope envelope, Receipt receipt);
  // A domain that is not ours.
  bool Reachable(std::string_view jid) const;
  // Whether there is a link to its edge.
  bool Linked(const Session& session) const;

  // An answer to `request`: to the session that sent it, which may be one of `here` (a handler's own account).
  void Reply(Account& here, const Envelope& request, Envelope reply, Receipt receipt);
  // Answers with an error where RFC 6120 8.3.1 allows one; else `held` ends here.
  void Bounce(Account& here, Held held, const xmpp::StanzaError& error);
  // The same when no account has its turn.
  void Bounce(Held held, const xmpp::StanzaError& error);
  void Disconnect(const Record& record, const std::string& condition, const std::string& text, Receipt receipt);

  Metrics& metrics() { return metrics_; }

 private:
  static bool MayAnswer(const Envelope& envelope);
  void CountBounce(std::string_view condition);

  Edges& edges_;
  Peers& peers_;
  const Domains& domains_;
  Metrics& metrics_;
  std::map<std::string, prometheus::Counter*, std::less<>> bounces_;
};

}  // namespace parley::router
