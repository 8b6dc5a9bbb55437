#include "services/c2s/sm/management.h"

#include <algorithm>
#include <chrono>

#include "services/c2s/session/session.h"

namespace parley::c2s {
namespace {

// A session whose time is over while Redis is away ends so long after Redis is back, at most. Not a setting: nobody
// sees the difference, and a look costs nothing.
constexpr std::chrono::milliseconds kLookForRedis{500};

}  // namespace

Management::Management(Session& session, Context& context, Terms terms)
    : session_(session),
      context_(context),
      base_(terms.base),
      resume_ms_(terms.resume_ms),
      outbound_(session, context, std::move(terms.queue), terms.base),
      acks_(session, context),
      expiry_(&Management::Expire, this) {}

void Management::Expire(void* self) {
  auto& management = *static_cast<Management*>(self);
  // Else what only we have of its queue is handled before what only Redis has.
  if (!management.context_.redis.up()) return management.context_.wheel.Arm(management.expiry_, kLookForRedis);
  const auto keep = management.session_.shared_from_this();
  keep->End(life::Event::kExpired, "resumption timeout");
}

void Management::Distrust(const session::QueueContents& contents) {
  if (contents.header.settled()) return;
  distrusted_ = contents.header.handled() + context_.config.c2s.sm_max_unhandled;
  answered_.assign(contents.header.answered().begin(), contents.header.answered().end());
  for (const auto& queued : contents.stanzas) {
    if (queued.envelope().answers() > contents.header.handled()) {
      answered_.push_back(session::AnsweredBy(queued.envelope()));
    }
  }
}

void Management::NoteAnswered(const link::v1::Envelope& answer) {
  const std::uint64_t number = answer.answers();
  const auto& uplink = session_.uplink();
  const bool unsaid = number > uplink.last() && !uplink.IsTaken(number);
  if (unsaid && MayBeRepeat(number)) answered_.push_back(session::AnsweredBy(answer));
}

bool Management::IsAnswered(std::uint64_t number, std::string_view id) {
  if (answered_.empty()) return false;
  const auto found = std::find_if(answered_.begin(), answered_.end(),
                                  [&](const auto& answered) { return session::IsAnswer(answered, number, id); });
  if (found == answered_.end()) return false;
  answered_.erase(found);
  return true;
}

}  // namespace parley::c2s
