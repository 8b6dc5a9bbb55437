#include "services/c2s/orders.h"

#include <algorithm>
#include <chrono>
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
namespace {

constexpr std::chrono::milliseconds kStep{50};
constexpr double kShareForStreams = 0.6;  // of c2s.drain_timeout, as for the end of the process
constexpr std::size_t kLeastPerStep = 50;

}  // namespace

Orders::Orders(Context& context, Acceptor& acceptor)
    : context_(context), acceptor_(acceptor), alive_(std::make_shared<Orders*>(this)) {
  polling_ = context.loop.Every(context.config.c2s.orders_poll, [this] { Poll(); });
  Poll();
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
  stepping_ = context_.loop.Every(kStep, [this] { Step(); });
}

void Orders::Step() {
  const auto steps = context_.config.c2s.drain_timeout * kShareForStreams / kStep;
  const auto share = static_cast<std::size_t>(context_.streams.size() / std::max(1.0, steps)) + 1;
  const auto& elsewhere = context_.config.c2s.drain_redirect;
  const auto open = [](Stream& stream) { return stream.alive(); };
  for (const auto& stream : context_.streams.Some(std::max(kLeastPerStep, share), open)) {
    stream->Fail(elsewhere.empty() ? xmpp::StreamError("system-shutdown", "come back to another node")
                                   : xmpp::StreamError("see-other-host", {}, elsewhere));
  }
}

}  // namespace parley::c2s
