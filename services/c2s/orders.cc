#include "services/c2s/orders.h"

#include <exception>
#include <vector>

#include "libs/base/log.h"
#include "libs/storage/orders.h"
#include "services/c2s/admission.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/stream/stream.h"
#include "services/c2s/streams.h"

namespace parley::c2s {

Orders::Orders(Context& context, Acceptor& acceptor)
    : context_(context), acceptor_(acceptor), farewell_(context), alive_(std::make_shared<Orders*>(this)) {
  polling_ = context.loop.Every(context.config.c2s.orders_poll, [this] { Poll(); });
}

Orders::~Orders() = default;

void Orders::Close() {
  closed_ = true;
  polling_.Cancel();
  stepping_.Cancel();
}

void Orders::Poll() {
  if (asking_ || !context_.redis.up()) return;
  asking_ = true;
  const std::string limit = std::to_string(context_.config.c2s.max_bans);
  context_.redis.Eval(storage::ReadOrders(), {storage::kBansKey, storage::kDrainKey, storage::kOrdersVersionKey},
                      {context_.node.instance(), version_, limit},
                      [alive = std::weak_ptr(alive_)](const Result<storage::Reply>& reply) {
                        const auto self = alive.lock();
                        if (!self) return;
                        (*self)->asking_ = false;
                        if (reply && reply->items.size() == 3) (*self)->OnAnswer(*reply);
                      });
}

void Orders::OnAnswer(const storage::Reply& reply) {
  if (closed_) return;
  version_ = reply.items[1].text;
  if (!reply.items[2].is_nil()) SetBans(reply.items[2]);
  SetDraining(reply.items[0].integer == 1);
}

void Orders::SetBans(const storage::Reply& list) {
  net::AddressRanges bans;
  for (const auto& item : list.items) {
    if (const auto network = net::AddressRange::Parse(item.text)) bans.Add(*network);
  }
  const bool any = !bans.empty();
  context_.admission.SetBans(std::move(bans));
  if (!any) return;
  const auto banned = [this](Stream& stream) { return stream.alive() && context_.admission.Banned(stream.address()); };
  const auto streams = context_.streams.Some(context_.streams.size(), banned);
  log::Info("bans_changed", {{"bans", list.items.size()}, {"streams_ended", streams.size()}});
  for (const auto& stream : streams) {
    context_.metrics.limits.Add("banned");
    stream->Fail(xmpp::StreamError("policy-violation", "your address is banned"));
  }
}

void Orders::SetDraining(bool ordered) {
  if (ordered) return Drain();
  draining_ = false;
  stepping_.Cancel();
  if (acceptor_.listening()) return;
  try {
    acceptor_.Start();
    log::Info("drain_taken_back");
  } catch (const std::exception& error) {  // tried again at the next look
    acceptor_.Stop();
    log::Error("listen_failed", {{"reason", error.what()}});
  }
}

void Orders::Drain() {
  if (draining_) return;
  draining_ = true;
  log::Info("drain_ordered", {{"streams", context_.streams.size()}});
  acceptor_.Stop();
  farewell_.Begin();
  stepping_ = context_.loop.Every(Farewell::kStep, [this] { farewell_.Step(); });
}

}  // namespace parley::c2s
