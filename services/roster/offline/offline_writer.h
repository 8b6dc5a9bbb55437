#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "libs/base/loop.h"
#include "libs/telemetry/metrics.h"
#include "services/roster/offline/offline_store.h"

namespace parley::roster {

struct WriterOptions {
  std::uint32_t batch = 200;  // messages in one commit
  std::size_t batch_bytes = 4 << 20;
  std::size_t max_queue = 10000;  // more are refused at once (PROBLEM_OVERLOADED)
  // No setting, and far below what a router waits (router.roster_timeout). A batch that failed sooner is tried once
  // more: the connection may have broken at the commit, and the second run finds out what became of it.
  std::chrono::milliseconds retry_within{1000};
};

// Group commit: what arrives while a commit runs goes into the next one, so that the disk is waited for once per batch,
// and an account's messages keep their order. What waits behind a batch that failed, for the same accounts, is answered
// like it, and not done: whoever asks again does so for all of it, in order.
class OfflineWriter {
 public:
  using Reply = std::function<void(Result<v1::Stored, v1::Problem>)>;
  OfflineWriter(Loop& loop, OfflineStore& store, WriterOptions options, telemetry::Metrics& metrics);

  void Store(const v1::StoreOffline& message, Reply reply);

 private:
  using Queued = std::pair<v1::StoreOffline, Reply>;
  struct Batch {
    std::vector<v1::StoreOffline> messages;
    std::vector<Reply> replies;
    std::chrono::steady_clock::time_point started;
    bool in_doubt = false;  // one of its commits may have been done
  };
  void FlushSoon();
  void Flush();
  Batch Take();
  void Commit(std::shared_ptr<Batch> batch, int attempt);
  void FailFollowers(const Batch& batch, v1::Problem problem);
  void Answer(const Batch& batch, const Result<OfflineStore::StoredEach, v1::Problem>& outcomes);

  Loop& loop_;
  OfflineStore& store_;
  WriterOptions options_;
  std::deque<Queued> queue_;
  bool busy_ = false;  // a commit runs or a flush is scheduled
  prometheus::Gauge& queued_;
  prometheus::Histogram& batch_size_;
  prometheus::Counter& refused_;
};

}  // namespace parley::roster
