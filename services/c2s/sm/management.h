#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "services/c2s/sm/acks.h"
#include "services/c2s/sm/outbound.h"
#include "services/c2s/wheel.h"

namespace parley::c2s {

// What a session has more once its client enabled stream management (XEP-0198).
class Management {
 public:
  struct Terms {
    std::string queue;            // its name in Redis
    std::uint64_t base = 0;       // origin_seq of the last stanza before
    std::uint64_t resume_ms = 0;  // how long the session may be away; 0: it cannot be resumed
  };
  Management(Session& session, Context& context, Terms terms);

  Outbound& outbound() { return outbound_; }
  Acks& acks() { return acks_; }
  std::uint64_t base() const { return base_; }
  std::uint64_t resume_ms() const { return resume_ms_; }
  // A number of the client's stanzas as XEP-0198 counts it.
  std::uint32_t Count(std::uint64_t number) const { return static_cast<std::uint32_t>(number - base_); }

  // The client is gone for now, or is back.
  void StartWaiting() { context_.wheel.Arm(expiry_, std::chrono::milliseconds(resume_ms_)); }
  void StopWaiting() { expiry_.Cancel(); }

  // Another edge had the session until now, and may have passed on more than it noted: what the client sends again was
  // perhaps seen before.
  void Distrust(const session::QueueContents& contents);
  bool MayBeRepeat(std::uint64_t number) const { return number <= distrusted_; }
  // It is about to get this answer to what it said at another edge, and will say again here.
  void NoteAnswered(const link::v1::Envelope& answer);
  // The client has the answer to this request, or the queue has: it is not to be asked again.
  bool IsAnswered(std::uint64_t number, std::string_view id);

 private:
  static void Expire(void* self);

  Session& session_;
  Context& context_;
  std::uint64_t base_;
  std::uint64_t resume_ms_;
  std::uint64_t distrusted_ = 0;
  std::vector<session::v1::Answered> answered_;
  Outbound outbound_;
  Acks acks_;
  Wheel::Timer expiry_;
};

}  // namespace parley::c2s
