#include "services/c2s/sm/outbound.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/unix_time.h"
#include "services/c2s/metrics.h"
#include "services/c2s/session/session.h"
#include "services/c2s/sm/reconcile.h"

namespace parley::c2s {

Outbound::Outbound(Session& session, Context& context, std::string queue, std::uint64_t handled)
    : session_(session),
      context_(context),
      unacked_(context),
      remembered_(context),
      queue_(*this, session, context, std::move(queue), handled) {}

void Outbound::Push(std::unique_ptr<link::v1::Envelope> envelope, const session::Mark& mark, rpc::Receipt receipt) {
  queue_.Plan();
  unacked_.Push(unacked_.Make(*envelope, mark, queue_.planned_at(), std::move(receipt)));
  rpc::Recycle(std::move(envelope));
  if (queue_.down()) WriteOut();
}

void Outbound::MarkReplied(std::string_view id, std::string_view from) {
  unacked_.MarkReplied(id, from);
  queue_.UpdateHeader();  // else who goes on after our death answers it, too
}

void Outbound::Adopt(session::QueueContents contents, const session::v1::Record& record) {
  unacked_.StartAfter(contents.header.acked());
  for (auto& queued : contents.stanzas) {
    auto& envelope = *queued.mutable_envelope();
    unacked_.Push(unacked_.Make(envelope, session::MarkOf(envelope), queued.at(), rpc::Receipt()));
  }
  unacked_.AdoptReplied(contents.header);
  remembered_.Adopt(contents.header);
  queue_.Adopt(contents);
  written_ = unacked_.acked();
  written_ever_ = unacked_.last();
  if (record.has_unlogged_after() && record.unlogged_after() >= unacked_.acked())
    unsure_after_ = std::min(record.unlogged_after(), unacked_.last());
}

void Outbound::CountFrom(std::uint32_t h) {
  const auto after = std::exchange(unsure_after_, std::nullopt);
  if (!after) return;
  const std::uint32_t unlogged = h - static_cast<std::uint32_t>(*after);
  if (unlogged == 0 || unlogged > UINT32_MAX / 2) return;  // it got none of that
  context_.metrics.sm_recounted.Increment();
  log::Info("session_recounted", {{"session", session_.id()}, {"unlogged", unlogged}});
  unacked_.Renumber(unlogged);
  written_ += unlogged;
  written_ever_ += unlogged;
  queue_.Renumber(*after, unlogged);
}

bool Outbound::Merge(session::QueueContents contents, std::uint64_t logged) {
  auto on_new = [this](const link::v1::Envelope& envelope) { session_.NoteQueued(envelope); };
  return Reconcile(unacked_, remembered_, {std::move(contents), logged, written_ever_}, on_new);
}

Outbound::Verdict Outbound::Acknowledge(std::uint32_t h) {
  const std::uint32_t count = h - static_cast<std::uint32_t>(unacked_.acked());
  if (count > UINT32_MAX / 2) return Verdict::kFine;  // less than it acknowledged before
  if (count > written_ever_ - unacked_.acked()) return Verdict::kTooHigh;
  if (count == 0) return Verdict::kFine;
  if (unacked_.acked() + count > queue_.logged_up_to()) queue_.SayUnlogged();
  const std::int64_t now = UnixMilliseconds();
  const std::uint64_t handled = session_.uplink().handled();
  for (std::uint32_t i = 0; i < count; ++i) remembered_.Note(unacked_.entries()[i], handled, now);
  unacked_.Drop(count);
  written_ = std::max(written_, unacked_.acked());
  queue_.Plan();
  return Verdict::kFine;
}

void Outbound::Attach() {
  written_ = unacked_.acked();
  WriteOut();
}

void Outbound::WriteOut() {
  const std::uint64_t upto = queue_.released();
  while (session_.attached() && written_ < upto) {
    const Entry& entry = unacked_.At(++written_);
    if (written_ > queue_.logged_up_to() && !entry.owed()) queue_.SayUnlogged();  // no router has it
    if (written_ > written_ever_) {
      written_ever_ = written_;
      context_.metrics.stanzas_out.Add(entry.kind());
    }
    session_.WriteManaged(entry.stanza());
  }
}

}  // namespace parley::c2s
