#include "services/c2s/sm/enable.h"

#include <algorithm>
#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session.h"
#include "services/c2s/sm/elements.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {

void Enable::Start(const xml::StartTag& tag) {
  auto& context = stream_.context();
  queue_ = RandomId();
  base_ = session_->uplink().last();
  resume_ms_ = ResumeMs(tag);
  stream_.Hold(Stream::Pause::kStage);
  context.routers.Ask(
      session_->jid().bare(), Request().SerializeAsString(), context.config.c2s.router_timeout,
      WhileAlive(shared_from_this(), [](Enable& self, const Result<std::string>& body) { self.OnAnswer(body); }));
}

// The client may want less time than it could have.
std::uint64_t Enable::ResumeMs(const xml::StartTag& tag) const {
  const std::string resume = AttributeOf(tag, "resume");
  if ((resume != "true" && resume != "1") || session_->anonymous()) return 0;
  const auto most = static_cast<std::uint64_t>(stream_.context().config.c2s.sm_resume_timeout.count());
  const auto wanted = SmNumber(tag, "max");
  return wanted ? std::min<std::uint64_t>(most, std::uint64_t{*wanted} * 1000) : most;
}

session::v1::Ask Enable::Request() const {
  session::v1::Ask ask;
  auto& enable = *ask.mutable_enable();
  enable.set_account(std::string(session_->jid().bare()));
  enable.set_session(session_->id());
  enable.set_queue(queue_);
  enable.set_resume_ms(resume_ms_);
  enable.mutable_header()->set_base(base_);
  enable.mutable_header()->set_handled(base_);
  return ask;
}

void Enable::OnAnswer(const Result<std::string>& body) {
  if (!session_->attached() || session_->management()) return;
  auto& context = stream_.context();
  session::v1::Answer answer;
  const bool ok = body && answer.ParseFromString(*body) && answer.enabled().ok();
  context.metrics.sm_enabled.Add(!ok ? "failed" : resume_ms_ > 0 ? "resumable" : "acknowledged");
  if (!ok) {
    log::Warn("stream_management_unavailable",
              {{"session", session_->id()}, {"reason", body ? std::string("refused") : body.error().message()}});
    stream_.Write(SmFailed("internal-server-error"));
    return stream_.Release(Stream::Pause::kStage);
  }
  session_->Manage({.queue = queue_, .base = base_, .resume_ms = resume_ms_});
  SmEnabled enabled;
  enabled.id = resume_ms_ > 0 ? std::string_view(session_->id()) : std::string_view();
  enabled.max_seconds = resume_ms_ / 1000;
  enabled.location = context.config.c2s.sm_location;
  stream_.Write(ToXml(enabled));
  stream_.Release(Stream::Pause::kStage);
}

}  // namespace parley::c2s
