#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/session/queue.h"
#include "libs/xmpp/errors.h"
#include "libs/xmpp/stanza.h"
#include "parley/session/v1/session.pb.h"

namespace parley::c2s {

// Requests of others that a client got and has not answered yet: should its session end before it does, they are
// answered for it (RFC 6120 8.2.3: each exactly once). Holds nothing on the heap while there are none.
class Requests {
 public:
  struct Request {
    std::string id;
    std::string from;
    std::uint64_t number = 0;  // by which Redis has it (libs/session/asked.h); 0: it has not
    std::uint64_t answer =
        0;                 // the client's stanza that answers it, which the routers have not taken yet; 0: none does
    session::Mark mark{};  // known only of what came without stream management
  };

  // The client gets `request`. Above `max_bytes` the oldest are forgotten: these.
  std::vector<Request> Note(Request request, std::size_t max_bytes);
  // The client sends `stanza`: the request that it answers, if it is not known to. Until the next call.
  const Request* Answer(const xmpp::Envelope& stanza);
  // The routers have taken the client's stanza `number`: the request that it answers.
  std::optional<Request> Settle(std::uint64_t number);
  // All that are not answered. Those whose answers are on their way are left.
  std::vector<Request> Take();
  std::vector<session::Mark> Marks() const;
  // For the header of the session's queue: of those that are not answered, the ones for which `wanted` is true.
  template <class Wanted>
  void Fill(session::v1::QueueHeader& header, Wanted wanted) const {
    if (!list_) return;
    for (const Request& request : list_->requests) {
      if (request.answer != 0 || wanted(request)) Add(header, request);
    }
  }

 private:
  struct List {
    std::vector<Request> requests;  // oldest first
    std::size_t bytes = 0;
  };
  bool IsOnItsWay(std::uint64_t answer) const;
  static std::size_t SizeOf(const Request& request);
  static void Add(session::v1::QueueHeader& header, const Request& request);
  Request Remove(std::size_t index);

  std::unique_ptr<List> list_;
};

// An iq that answers another.
bool IsAnswer(const xmpp::Envelope& envelope);

// A get or set that somebody waits for the answer to: not what a server sent by itself (roster pushes).
bool IsRequestOfOthers(const xmpp::Envelope& envelope);

// The error that answers `request` in the name of `owner`, a full JID.
xmpp::Envelope AnswerFor(const std::string& owner, const Requests::Request& request, const xmpp::StanzaError& error);

}  // namespace parley::c2s
