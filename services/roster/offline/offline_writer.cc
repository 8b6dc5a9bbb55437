#include "services/roster/offline/offline_writer.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

namespace parley::roster {

OfflineWriter::OfflineWriter(Loop& loop, OfflineStore& store, WriterOptions options, telemetry::Metrics& metrics)
    : loop_(loop),
      store_(store),
      options_(options),
      queued_(metrics.Gauge("parley_roster_offline_queue", "Offline messages waiting for a commit")),
      batch_size_(metrics.Histogram("parley_roster_offline_batch", "Offline messages in one commit", {},
                                    {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000})),
      refused_(metrics.Counter("parley_roster_offline_refused_total", "Offline messages refused for a full queue")) {}

void OfflineWriter::Store(const v1::StoreOffline& message, Reply reply) {
  if (queue_.size() >= options_.max_queue) {
    refused_.Increment();
    return reply(v1::PROBLEM_OVERLOADED);
  }
  queue_.emplace_back(message, std::move(reply));
  queued_.Set(static_cast<double>(queue_.size()));
  if (!busy_) FlushSoon();
}

void OfflineWriter::FlushSoon() {
  busy_ = true;
  loop_.AtEndOfTurn([this] { Flush(); });
}

void OfflineWriter::Flush() {
  busy_ = !queue_.empty();
  if (!busy_) return;
  const auto batch = std::make_shared<Batch>(Take());
  queued_.Set(static_cast<double>(queue_.size()));
  batch_size_.Observe(static_cast<double>(batch->messages.size()));
  Commit(batch, 1);
}

OfflineWriter::Batch OfflineWriter::Take() {
  Batch batch;
  batch.started = std::chrono::steady_clock::now();
  std::size_t bytes = 0;
  while (!queue_.empty() && batch.messages.size() < options_.batch) {
    bytes += queue_.front().first.stanza().size();
    if (!batch.messages.empty() && bytes > options_.batch_bytes) break;
    batch.messages.push_back(std::move(queue_.front().first));
    batch.replies.push_back(std::move(queue_.front().second));
    queue_.pop_front();
  }
  return batch;
}

void OfflineWriter::Commit(std::shared_ptr<Batch> batch, int attempt) {
  store_.Store(batch->messages, [this, batch, attempt](Result<OfflineStore::StoredEach, v1::Problem> outcomes) {
    const bool soon = std::chrono::steady_clock::now() - batch->started < options_.retry_within;
    if (!outcomes && outcomes.error() == v1::PROBLEM_IN_DOUBT) batch->in_doubt = true;
    if (!outcomes && attempt == 1 && soon) return Commit(batch, attempt + 1);
    if (!outcomes && batch->in_doubt) outcomes = v1::PROBLEM_IN_DOUBT;
    Answer(*batch, outcomes);
    if (!outcomes) FailFollowers(*batch, outcomes.error());
    Flush();
  });
}

void OfflineWriter::FailFollowers(const Batch& batch, v1::Problem problem) {
  std::set<std::string_view> owners;
  for (const auto& message : batch.messages) owners.insert(message.owner());
  const auto followers = std::stable_partition(
      queue_.begin(), queue_.end(), [&owners](const auto& queued) { return !owners.contains(queued.first.owner()); });
  const std::vector<Queued> failed(std::make_move_iterator(followers), std::make_move_iterator(queue_.end()));
  queue_.erase(followers, queue_.end());
  queued_.Set(static_cast<double>(queue_.size()));
  for (const auto& [message, reply] : failed) reply(problem);
}

void OfflineWriter::Answer(const Batch& batch, const Result<OfflineStore::StoredEach, v1::Problem>& outcomes) {
  for (std::size_t i = 0; i < batch.replies.size(); ++i) {
    if (outcomes) {
      batch.replies[i]((*outcomes)[i]);
    } else {
      batch.replies[i](outcomes.error());
    }
  }
}

}  // namespace parley::roster
