#include <cstddef>
#include <vector>

#include "libs/rpc/link.h"

namespace parley::rpc {
namespace {

// 4 MiB with the next; more are allocated and freed as they come and go.
constexpr std::size_t kMaxKept = 2048;
// What held a large stanza is not worth its memory.
constexpr std::size_t kMaxStanzaBytes = 2048;

// Of this thread: a loop's links and what its service makes.
thread_local std::vector<std::unique_ptr<Envelope>> kept;

}  // namespace

std::unique_ptr<Envelope> NewEnvelope() {
  if (kept.empty()) return std::make_unique<Envelope>();
  auto envelope = std::move(kept.back());
  kept.pop_back();
  return envelope;
}

void Recycle(std::unique_ptr<Envelope> envelope) {
  if (!envelope || kept.size() >= kMaxKept || envelope->mutable_stanza()->capacity() > kMaxStanzaBytes) return;
  envelope->Clear();
  kept.push_back(std::move(envelope));
}

}  // namespace parley::rpc
