#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "libs/base/loop.h"
#include "libs/rpc/methods.h"

// The server's side of unary calls in gRPC's callback API. Prefer rpc/methods.h: it is cheaper for the links of the
// process. Asio may not be included beside it.
namespace parley::rpc {

namespace internal {

// A call between gRPC's threads and the loop. `response_` belongs to gRPC and is valid only until Finish.
template <class Response>
class Pending : public grpc::ServerUnaryReactor {
 public:
  explicit Pending(Response* response) : response_(response) {}

  void Answer(Response answer) {
    std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    *response_ = std::move(answer);
    Finish(grpc::Status::OK);
  }

  // Also when the server shuts down: it waits for all calls, and the loop may never come to this one.
  void OnCancel() override { Fail(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled")); }
  void Fail(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    if (!std::exchange(finished_, true)) Finish(status);
  }

  void OnDone() override { self_.reset(); }
  // gRPC and whoever is to answer share it.
  std::shared_ptr<Pending> self_;

 private:
  std::mutex mutex_;
  bool finished_ = false;
  Response* response_;
};

// Fails the call if it is dropped without an answer.
template <class Response>
struct Answerer {
  explicit Answerer(std::shared_ptr<Pending<Response>> pending_) : pending(std::move(pending_)) {}
  ~Answerer() { pending->Fail(grpc::Status(grpc::StatusCode::UNAVAILABLE, "not answered")); }
  Answerer(const Answerer&) = delete;
  Answerer& operator=(const Answerer&) = delete;
  std::shared_ptr<Pending<Response>> pending;
};

}  // namespace internal

// Runs `handle(request, respond)` on the loop's thread. `return rpc::Serve(loop, request, response, handler);`
template <class Request, class Response>
grpc::ServerUnaryReactor* Serve(Loop& loop, const Request* request, Response* response,
                                std::function<void(const Request&, Respond<Response>)> handle) {
  auto pending = std::make_shared<internal::Pending<Response>>(response);
  pending->self_ = pending;
  auto answerer = std::make_shared<internal::Answerer<Response>>(pending);
  // A copy: gRPC's own request goes with the call, which may be cancelled before the loop gets to it.
  loop.Post([copy = *request, handle = std::move(handle), answerer = std::move(answerer)] {
    handle(copy, [answerer](Response answer) { answerer->pending->Answer(std::move(answer)); });
  });
  return pending.get();
}

}  // namespace parley::rpc
