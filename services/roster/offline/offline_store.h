#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "libs/base/result.h"
#include "parley/roster/v1/roster.pb.h"

namespace parley::roster {

struct OfflineLimits {
  std::uint32_t max_messages = 100;  // per account
  std::uint64_t max_bytes = 1048576;
};

// Messages that wait for their recipient (XEP-0160): in the order stored, once each, until deleted. Replies come on the
// loop's thread.
class OfflineStore {
 public:
  template <class T>
  using Reply = std::function<void(Result<T, v1::Problem>)>;
  using StoredEach = std::vector<Result<v1::Stored, v1::Problem>>;

  virtual ~OfflineStore() = default;
  // All in one commit; an outcome for each, in order. A message whose origin is known is a repeat, also for a while
  // after it was deleted.
  virtual void Store(std::vector<v1::StoreOffline> messages, Reply<StoredEach> reply) = 0;
  virtual void Fetch(const v1::FetchOffline& ask, Reply<v1::OfflineMessages> reply) = 0;
  virtual void Delete(const v1::DeleteOffline& ask, Reply<v1::Deleted> reply) = 0;
  // Forgets some of the origins of messages deleted longer ago than `age`; how many.
  virtual void Forget(std::chrono::milliseconds age, Reply<std::uint32_t> reply) = 0;
};

}  // namespace parley::roster
