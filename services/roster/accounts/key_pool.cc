#include "services/roster/accounts/key_pool.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace parley::roster {
namespace {

constexpr std::size_t kSaltBytes = 16;

std::string RandomSalt() {
  std::string salt(kSaltBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size())) != 1) {
    throw std::runtime_error("no random bytes");
  }
  return salt;
}

ScramKeys DeriveAll(const std::string& password, std::uint32_t iterations) {
  ScramKeys keys;
  for (const auto hash : {xmpp::scram::Hash::kSha1, xmpp::scram::Hash::kSha256}) {
    keys.push_back(xmpp::scram::Derive(hash, password, RandomSalt(), iterations));
  }
  return keys;
}

}  // namespace

struct KeyPool::State {
  struct Work {
    std::string password;
    std::function<void(ScramKeys)> done;
  };

  State(Loop& loop_, KeyPoolOptions options_, telemetry::Metrics& metrics)
      : loop(loop_),
        options(options_),
        queued(metrics.Gauge("parley_roster_key_queue", "Passwords waiting to become SCRAM keys")),
        refused(metrics.Counter("parley_roster_key_refused_total", "Passwords refused for a full queue")) {}

  void Serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (stopping) return;
      Work work = std::move(queue.front());
      queue.pop_front();
      queued.Set(static_cast<double>(queue.size()));
      lock.unlock();
      ScramKeys keys = DeriveAll(work.password, options.iterations);
      OPENSSL_cleanse(work.password.data(), work.password.size());
      loop.Post([done = std::move(work.done), keys = std::move(keys)]() mutable { done(std::move(keys)); });
      lock.lock();
    }
  }

  Loop& loop;
  const KeyPoolOptions options;
  prometheus::Gauge& queued;
  prometheus::Counter& refused;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Work> queue;
  bool stopping = false;
  std::vector<std::thread> threads;
};

KeyPool::KeyPool(Loop& loop, KeyPoolOptions options, telemetry::Metrics& metrics)
    : state_(std::make_shared<State>(loop, options, metrics)) {
  const std::size_t count = options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  for (std::size_t i = 0; i < count; ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->Serve(); });
  }
}

KeyPool::~KeyPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

bool KeyPool::Derive(std::string password, std::function<void(ScramKeys)> done) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->queue.size() >= state_->options.max_queue) {
      state_->refused.Increment();
      return false;
    }
    state_->queue.push_back({std::move(password), std::move(done)});
    state_->queued.Set(static_cast<double>(state_->queue.size()));
  }
  state_->wake.notify_one();
  return true;
}

}  // namespace parley::roster
