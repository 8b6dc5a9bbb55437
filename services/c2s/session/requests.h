#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xmpp/errors.h"
#include "libs/xmpp/stanza.h"

namespace parley::c2s {

// Requests of others that a client got and has not answered yet: should its session end before it does, they are
// answered for it (RFC 6120 8.2.3: each exactly once). Holds nothing on the heap while there are none.
class Requests {
 public:
  struct Request {
    std::string id;
    std::string from;
  };

  // The client gets `delivery`. Above `max_bytes` the oldest are forgotten.
  enum class Kept { kAll, kFewer };
  Kept Note(const xmpp::Envelope& delivery, std::size_t max_bytes);
  // The client sends `stanza`. True: it is the answer to one of them.
  bool Answer(const xmpp::Envelope& stanza);
  // All that are left; none are afterwards.
  std::vector<Request> Take();

 private:
  struct List {
    std::vector<Request> requests;  // oldest first
    std::size_t bytes = 0;
  };
  static std::size_t SizeOf(const Request& request);
  void Erase(std::size_t index);

  std::unique_ptr<List> list_;
};

// A get or set that somebody waits for the answer to: not what a server sent by itself (roster pushes).
bool IsRequestOfOthers(const xmpp::Envelope& envelope);

// The error that answers `request` in the name of `owner`, a full JID.
xmpp::Envelope AnswerFor(const std::string& owner, const Requests::Request& request, const xmpp::StanzaError& error);

}  // namespace parley::c2s
