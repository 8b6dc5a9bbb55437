#include "libs/storage/resolution.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <mutex>
#include <thread>
#include <utility>

namespace parley::storage {
namespace {

using boost::asio::ip::tcp;

Result<Resolution::Endpoints> Resolve(const std::string& host, int port) {
  boost::asio::io_context io;
  tcp::resolver resolver(io);
  boost::system::error_code error;
  const auto results = resolver.resolve(host, std::to_string(port), error);
  if (error) return Error(error.message());
  Resolution::Endpoints endpoints;
  for (const auto& result : results) endpoints.push_back(result.endpoint());
  return endpoints;
}

}  // namespace

struct Resolution::State {
  std::mutex mutex;  // guards loop
  Loop* loop;        // null: nobody cares any more
  Done done;         // loop's thread

  void Tell(const std::shared_ptr<State>& self, Result<Endpoints> found) {
    std::lock_guard lock(mutex);
    if (loop == nullptr) return;
    loop->Post([self, found = std::move(found)] {
      if (self->done) std::exchange(self->done, nullptr)(found);
    });
  }
};

Resolution::Resolution(Loop& loop, const std::string& host, int port, Done done) : state_(std::make_shared<State>()) {
  state_->loop = &loop;
  state_->done = std::move(done);
  boost::system::error_code no_address;
  const auto address = boost::asio::ip::make_address(host, no_address);
  if (!no_address) {
    state_->Tell(state_, Endpoints{tcp::endpoint(address, static_cast<boost::asio::ip::port_type>(port))});
  } else {
    // Not joined: nobody should wait at the end for a name server that does not answer.
    std::thread([state = state_, host, port] { state->Tell(state, Resolve(host, port)); }).detach();
  }
}

Resolution::~Resolution() {
  state_->done = nullptr;
  std::lock_guard lock(state_->mutex);
  state_->loop = nullptr;
}

}  // namespace parley::storage
