#pragma once

#include <boost/asio/execution_context.hpp>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/net/send_queue.h"

namespace parley::net {

// What all connections of a loop share: the buffer that they read into, spare send buffers, and the list of those that
// have something to flush when the turn ends. Belongs to the loop's io_context.
class Turn : public boost::asio::execution_context::service {
 public:
  using key_type = Turn;
  static boost::asio::execution_context::id id;
  static constexpr std::size_t kScratchSize = 32768;

  class Flushable {
   public:
    virtual void Flush() = 0;

   protected:
    ~Flushable() = default;
  };

  static Turn& Of(Loop& loop);
  explicit Turn(boost::asio::execution_context& context);

  // Flushes it at the end of this turn.
  void Add(Loop& loop, std::shared_ptr<Flushable> flushable);
  // Only inside one event handler, never across a return to the loop.
  char* scratch() { return scratch_.get(); }
  SpareBuffers& spare() { return spare_; }

 private:
  void shutdown() override;
  void FlushAll();

  std::unique_ptr<char[]> scratch_;
  SpareBuffers spare_;
  std::vector<std::shared_ptr<Flushable>> waiting_;
  std::vector<std::shared_ptr<Flushable>> flushing_;  // empty between turns; keeps its capacity
};

}  // namespace parley::net
