#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "libs/rpc/link.h"
#include "libs/xmpp/stanza.h"
#include "parley/session/v1/session.pb.h"
#include "services/c2s/context.h"
#include "services/c2s/session/requests.h"

namespace parley::c2s {

class Session;

// What others asked of a session's client, here and where a router finds it should we die: in the header of the
// session's queue or, without stream management, in Redis by itself (libs/session/asked.h).
class Unanswered {
 public:
  Unanswered(Session& session, Context& context) : session_(session), context_(context) {}

  // The client gets `envelope`, which may be a request. That stays its sender's until Redis knows of it.
  void Note(const xmpp::Envelope& envelope, rpc::Receipt receipt);
  // The client got it from others, or by its queue.
  void NoteQueued(const xmpp::Envelope& request) { Note(request, rpc::Receipt()); }
  // The client sends `envelope`, which may be an answer.
  void NoteAnswer(const xmpp::Envelope& envelope);
  // The routers have taken the client's stanza `number`.
  void OnSettled(std::uint64_t number);

  // Stream management began: the header of its queue names them.
  void OnManaged();
  // As another edge left them.
  void Adopt(const session::v1::QueueHeader& header);
  void Fill(session::v1::QueueHeader& header) const;

  // The session is over: all that it is to answer.
  std::vector<Requests::Request> Take() { return requests_.Take(); }
  // A router is to answer them, which finds them in the header.
  void Leave(const std::vector<Requests::Request>& requests);
  // Calls back with whether we are to answer what was noted, or a router does.
  enum class By { kUs, kRouter };
  void TakeFromRedis(std::function<void(By by)> taken);
  // In the name of the client (RFC 6120 8.2.3).
  void Answer(const std::vector<Requests::Request>& requests);

 private:
  std::string key() const;
  void Forget(const Requests::Request& request);

  Session& session_;
  Context& context_;
  Requests requests_;
  std::uint64_t last_ = 0;  // number of the last that Redis was told of
};

}  // namespace parley::c2s
