#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "services/c2s/acceptor.h"
#include "services/c2s/context.h"
#include "services/c2s/farewell.h"

namespace parley::c2s {

// What operators want of all edges, looked for in Redis (libs/storage/orders.h): addresses that are banned, and whether
// this edge is to drain, that is, to send its clients elsewhere and take no new ones until told otherwise. While Redis
// is away the last known holds.
class Orders {
 public:
  Orders(Context& context, Acceptor& acceptor);
  ~Orders();
  // The process ends: nothing is accepted any more, whatever is ordered.
  void Close();
  bool draining() const { return draining_; }
  // Looks at once, as when Redis is to be had again, or for the first time.
  void Poll();

 private:
  void OnAnswer(const storage::Reply& reply);
  void SetBans(const storage::Reply& list);
  void SetDraining(bool ordered);
  void Drain();

  Context& context_;
  Acceptor& acceptor_;
  Farewell farewell_;
  std::string version_;
  bool asking_ = false;
  bool draining_ = false;
  bool closed_ = false;
  std::shared_ptr<Orders*> alive_;
  Loop::Timer polling_;
  Loop::Timer stepping_;
};

}  // namespace parley::c2s
