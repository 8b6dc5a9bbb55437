#include "services/c2s/workers.h"

#include <utility>

namespace parley::c2s {

Workers::Workers(Loop& loop, std::size_t threads, std::size_t max_queued) : loop_(loop), max_queued_(max_queued) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool Workers::Run(std::function<bool()> work, std::function<void(bool)> done) {
  {
    std::lock_guard lock(mutex_);
    if (jobs_.size() >= max_queued_) return false;
    jobs_.push_back(Job{std::move(work), std::move(done)});
  }
  arrived_.notify_one();
  return true;
}

void Workers::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    arrived_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const bool outcome = job.work();
    // `done` is moved, so that what it holds is released on the loop's thread.
    loop_.Post([done = std::move(job.done), outcome] { done(outcome); });
    job = Job();
    lock.lock();
  }
}

}  // namespace parley::c2s
