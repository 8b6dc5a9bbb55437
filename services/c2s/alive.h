#pragma once

#include <memory>
#include <utility>

namespace parley::c2s {

// A callback for an answer that may come after its asker has gone: calls `f(asker, answer...)` only while it lives.
template <class T, class F>
auto WhileAlive(const std::shared_ptr<T>& asker, F f) {
  return [weak = std::weak_ptr<T>(asker), f = std::move(f)](auto&&... answer) {
    if (auto alive = weak.lock()) f(*alive, std::forward<decltype(answer)>(answer)...);
  };
}

}  // namespace parley::c2s
