#pragma once

#include <memory>
#include <vector>

#include "libs/rpc/link.h"
#include "services/c2s/context.h"

namespace parley::c2s {

// What a router delivers to a session before its answer to the bind or resumption is read, and the queue is; or, once
// the session is over, before that gives back what it holds.
class Early {
 public:
  explicit Early(Context& context) : context_(context) {}
  ~Early() { Refuse(); }
  Early(const Early&) = delete;
  Early& operator=(const Early&) = delete;
  // Takes both. False: it keeps as many as it may.
  bool Keep(std::unique_ptr<link::v1::Envelope>& envelope, rpc::Receipt& receipt);
  bool empty() const { return kept_.empty(); }
  // The session is ready for it.
  void Deliver();
  // The session will not be.
  void Refuse(rpc::RefusalReason reason = link::v1::REFUSAL_REASON_NO_SESSION);

 private:
  Context& context_;
  std::vector<rpc::Held> kept_;
};

}  // namespace parley::c2s
