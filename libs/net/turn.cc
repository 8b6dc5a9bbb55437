#include "libs/net/turn.h"

#include <boost/asio/io_context.hpp>
#include <utility>

namespace parley::net {

boost::asio::execution_context::id Turn::id;

Turn& Turn::Of(Loop& loop) { return boost::asio::use_service<Turn>(loop.io()); }

Turn::Turn(boost::asio::execution_context& context)
    : boost::asio::execution_context::service(context), scratch_(std::make_unique<char[]>(kScratchSize)) {}

void Turn::shutdown() {
  waiting_.clear();
  flushing_.clear();
}

void Turn::Add(Loop& loop, std::shared_ptr<Flushable> flushable) {
  if (waiting_.empty()) loop.AtEndOfTurn([this] { FlushAll(); });
  waiting_.push_back(std::move(flushable));
}

void Turn::FlushAll() {
  flushing_.swap(waiting_);
  // What a callback adds goes to waiting_ and to another round of this turn.
  for (auto& flushable : flushing_) flushable->Flush();
  flushing_.clear();
}

}  // namespace parley::net
