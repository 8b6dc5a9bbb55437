#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libs/rpc/link.h"
#include "libs/session/queue.h"
#include "services/c2s/sm/page.h"

namespace parley::c2s {

// A stanza for a client that has not acknowledged it: the bytes that its queue in Redis has, and what is looked at
// again, so that the envelope is free for the next one while it is warm.
class Entry {
 public:
  struct Element {
    Page page;  // that they are part of
    std::string_view bytes;
  };
  // `element`: of the envelope.
  Entry(const link::v1::Envelope& envelope, const session::Mark& mark, Element element, rpc::Receipt receipt);

  std::string_view element() const { return {element_, element_bytes_}; }
  std::string_view stanza() const { return element().substr(element_bytes_ - stanza_bytes_); }
  link::v1::Kind kind() const { return kind_; }
  const session::Mark& mark() const { return mark_; }
  // As the envelope's.
  std::uint64_t answers() const { return answers_; }
  session::v1::Answered Answered() const;

  // Until Redis has it, it is the router's.
  bool owed() const { return static_cast<bool>(receipt_); }
  void SetTaken() { receipt_ = rpc::Receipt(); }
  void GiveBack() { receipt_.Refuse(link::v1::REFUSAL_REASON_NO_SESSION); }

  // Nothing tells its repeat from another that says the same, or (a roster push) it is not to be remembered by that.
  bool servers_own() const { return servers_own_; }
  // A message, and not a copy of what other sessions of the account got, too.
  bool lone_message() const { return lone_message_; }

  // Of others.
  bool request() const { return request_; }
  // A request of others that the client has not answered.
  bool unanswered() const { return request_ && !replied_; }
  bool IsRequest(std::string_view id, std::string_view from) const;
  void SetReplied() { replied_ = true; }
  bool replied() const { return replied_; }

  // Seldom: they unpack it.
  link::v1::Envelope Envelope() const;
  bool Is(const link::v1::Envelope& other) const;
  // The same, by a mark that tells it from others like it.
  bool IsByMark(const link::v1::Envelope& other) const;

 private:
  Page page_;
  const char* element_;  // its end is the stanza
  rpc::Receipt receipt_;
  session::Mark mark_;
  std::uint64_t answers_;
  std::uint64_t id_ = 0;  // hash, if it is a request or answers one
  std::uint32_t element_bytes_;
  std::uint32_t stanza_bytes_;
  link::v1::Kind kind_;
  bool lone_message_;
  bool servers_own_;
  bool request_;
  bool replied_ = false;
};

// Made by a service, and an answer to nothing.
bool IsServersOwn(const link::v1::Envelope& envelope);

}  // namespace parley::c2s
