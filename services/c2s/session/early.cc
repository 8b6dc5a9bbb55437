#include "services/c2s/session/early.h"

#include <utility>

#include "services/c2s/metrics.h"
#include "services/c2s/routers.h"

namespace parley::c2s {

bool Early::Keep(std::unique_ptr<link::v1::Envelope>& envelope, rpc::Receipt& receipt) {
  if (kept_.size() >= context_.config.c2s.max_early) {
    context_.metrics.limits.Add("early");
    return false;
  }
  kept_.push_back({std::move(envelope), std::move(receipt)});
  return true;
}

void Early::Deliver() {
  for (auto& held : std::exchange(kept_, {}))
    context_.routers.Deliver(std::move(held.envelope), std::move(held.receipt));
}

void Early::Refuse(rpc::RefusalReason reason) {
  for (auto& held : std::exchange(kept_, {})) {
    context_.metrics.deliveries_refused.Add("no_session");
    held.receipt.Refuse(reason);
  }
}

}  // namespace parley::c2s
