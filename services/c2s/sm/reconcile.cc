#include "services/c2s/sm/reconcile.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace parley::c2s {
namespace {

bool HoldsMark(const std::vector<Entry>& entries, const link::v1::Envelope& envelope) {
  return std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.IsByMark(envelope); });
}

}  // namespace

bool Reconcile(Unacked& unacked, Remembered& remembered, Reconciled queue,
               const std::function<void(const link::v1::Envelope&)>& on_new) {
  session::QueueContents& contents = queue.contents;
  const std::uint64_t acked = unacked.acked();
  const std::uint64_t sure = std::max(queue.logged, acked);
  std::vector<Entry> ours = unacked.TakeBehind(std::max(sure, queue.written));
  const auto& kept = unacked.entries();
  const auto unsure = kept.begin() + static_cast<std::ptrdiff_t>(sure - acked);
  std::vector<Entry> theirs;
  bool all = true;
  for (std::uint64_t number = std::max(queue.logged, contents.header.acked()) + 1; number <= contents.total();
       ++number) {
    auto& queued = contents.stanzas[number - contents.header.acked() - 1];
    auto& envelope = *queued.mutable_envelope();
    const auto same = [&](const Entry& entry) { return entry.Is(envelope); };
    const bool late = remembered.TakeLate(envelope);
    if (std::any_of(unsure, kept.end(), same)) continue;  // it keeps its number
    const auto known = std::find_if(ours.begin(), ours.end(), same);
    if (known != ours.end()) {
      theirs.push_back(std::move(*known));
      ours.erase(known);
    } else if (late || remembered.Has(envelope) || HoldsMark(kept, envelope) || HoldsMark(theirs, envelope)) {
      all = false;
    } else {
      on_new(envelope);
      theirs.push_back(unacked.Make(envelope, session::MarkOf(envelope), queued.at(), rpc::Receipt()));
    }
  }
  remembered.ForgetLate();
  for (auto* part : {&theirs, &ours}) {
    for (Entry& entry : *part) unacked.Push(std::move(entry));
  }
  return all;
}

}  // namespace parley::c2s
