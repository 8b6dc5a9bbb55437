#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "libs/rpc/discovery.h"
#include "libs/rpc/link.h"

namespace parley::rpc {

// Unary calls to any replica of a service, for what is rare (logins, operators). Replicas take turns; a call that did
// not reach one is tried at another while its time lasts. One that a replica keeps is made to another, too, if it may
// be repeated: the first answer counts. No gRPC in this header. Loop's thread only.
class UnaryClient {
 public:
  struct Options {
    DiscoveryOptions discovery;
    // What the replicas have to be, and how both ends prove who they are.
    std::string service;
    LinkOptions link;
  };
  UnaryClient(Loop& loop, Options options);
  // Calls under way are cancelled, without a call of `done`.
  ~UnaryClient();
  UnaryClient(const UnaryClient&) = delete;
  UnaryClient& operator=(const UnaryClient&) = delete;

  // When it is not known whether a replica that went away has done it.
  enum class InDoubt { kRepeat, kFail };

  // `method`: "/package.Service/Method". `done` runs once, later, on the loop's thread.
  template <class Response, class Request>
  void Call(const std::string& method, const Request& request, std::chrono::milliseconds timeout,
            std::function<void(Result<Response>)> done, InDoubt in_doubt = InDoubt::kRepeat);

  using Done = std::function<void(Result<std::string>)>;
  void CallRaw(const std::string& method, std::string body, std::chrono::milliseconds timeout, InDoubt in_doubt,
               Done done);
  // Some replica is known (not: reachable).
  bool available() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

template <class Response, class Request>
void UnaryClient::Call(const std::string& method, const Request& request, std::chrono::milliseconds timeout,
                       std::function<void(Result<Response>)> done, InDoubt in_doubt) {
  CallRaw(method, request.SerializeAsString(), timeout, in_doubt, [done = std::move(done)](Result<std::string> body) {
    if (!body) return done(body.error());
    Response response;
    if (!response.ParseFromString(*body)) return done(Error("the answer does not parse"));
    done(std::move(response));
  });
}

}  // namespace parley::rpc
