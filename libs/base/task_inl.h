#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "libs/base/task.h"

namespace parley {
namespace internal {

// The suspended coroutine of one Await. Dropping `handler` destroys the coroutine without resuming it.
template <class Handler, class T>
struct Suspended {
  explicit Suspended(Handler handler_) : handler(std::move(handler_)) {}
  std::optional<Handler> handler;
  bool starting = true;  // inside start(): Asio forbids resuming from there

  void Resume(T value) {
    if (!handler) return;
    Handler resumed = std::move(*handler);
    handler.reset();
    if (!starting) return std::move(resumed)(std::move(value));
    auto executor = boost::asio::get_associated_executor(resumed);
    boost::asio::post(executor, [resumed = std::move(resumed), value = std::move(value)]() mutable {
      std::move(resumed)(std::move(value));
    });
  }
};

struct InitiateAwait {
  template <class Handler, class T>
  void operator()(Handler handler, std::function<void(std::function<void(T)>)> start) const {
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    auto suspended = std::make_shared<Suspended<Handler, T>>(std::move(handler));
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr(suspended)](boost::asio::cancellation_type) {
        if (auto alive = weak.lock()) alive->handler.reset();
      });
    }
    start([suspended](T value) { suspended->Resume(std::move(value)); });
    suspended->starting = false;
  }
};

}  // namespace internal

template <class T>
Task<T> Await(std::function<void(std::function<void(T)>)> start) {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(T)>(
      internal::InitiateAwait(), boost::asio::use_awaitable, std::move(start));
}

}  // namespace parley
