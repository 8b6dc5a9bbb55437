#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace parley {

// One event loop on one thread: everything that a service owns lives on it, so that nothing needs a lock.
// Wraps a boost::asio::io_context so that code which only posts and waits need not include Asio.
class Loop {
 public:
  using Task = std::function<void()>;
  using Duration = std::chrono::steady_clock::duration;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until Stop(). Signals are the caller's business (see net::RunUntilSignal).
  void Run();
  // From any thread.
  void Stop();

  // Runs `task` on the loop's thread, later. From any thread, in the order posted by each.
  void Post(Task task);

  // Runs `task` once all that is ready now has been handled: where writers gather what this turn produced, to send it
  // in one write. From the loop's thread only.
  void AtEndOfTurn(Task task);
  // The same for a method of an object, if that lives by then; takes no memory of its own.
  template <auto kMethod, class T>
  void AtEndOfTurn(const std::shared_ptr<T>& object) {
    AtEndOfTurn(object, [](void* self) { (static_cast<T*>(self)->*kMethod)(); });
  }

  // Cancelled by its destructor. Empty when default constructed or moved from. Loop's thread only.
  class Timer {
   public:
    struct State;
    Timer();
    explicit Timer(std::unique_ptr<State> state);
    Timer(Timer&&) noexcept;
    Timer& operator=(Timer&&) noexcept;
    ~Timer();
    void Cancel();
    bool armed() const;

   private:
    std::unique_ptr<State> state_;
  };
  [[nodiscard]] Timer After(Duration delay, Task task);
  [[nodiscard]] Timer Every(Duration period, Task task);

  bool on_thread() const;
  boost::asio::io_context& io();

 private:
  void AtEndOfTurn(std::weak_ptr<void> object, void (*call)(void*));
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parley
