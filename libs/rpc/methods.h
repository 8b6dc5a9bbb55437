#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "libs/base/result.h"
#include "libs/rpc/security.h"

namespace google::protobuf {
class Message;
}

// What a server answers besides links; on the loop's thread.
namespace parley::rpc {

// The answering side of one call. Loop's thread only; may outlive the call.
class Responder {
 public:
  virtual ~Responder() = default;
  // False: the caller has gone.
  virtual bool Send(std::string message) = 0;
  // After all that was sent. Nothing but the first Finish or Fail counts.
  virtual void Finish() = 0;
  virtual void Fail(const std::string& why) = 0;
  // Ready for the next message of the caller, if it sends several.
  virtual void Next() = 0;
  // Sent, but not taken by the network yet.
  virtual std::size_t unsent() const = 0;
  // For the audit log.
  virtual void Asked(const google::protobuf::Message& request) { (void)request; }
  virtual void Answered(const google::protobuf::Message& response) { (void)response; }
};

// Answers a call that has one answer: once, at any time, on the loop's thread. If all copies are dropped before, the
// call fails.
template <class Response>
using Respond = std::function<void(Response)>;

// Who may call a method besides administrators (kAdmin), and what for. What has no permission of its own is a change
// that only they may make.
struct Permission {
  enum class Use { kLook, kChange };  // changes by operators are audited
  Use use = Use::kChange;
  std::set<std::string> roles;

  bool Allows(const Caller& caller) const;
};

class Methods {
 public:
  void Permit(const std::string& path, Permission permission) { permissions_[path] = std::move(permission); }
  // Which services may dial links to this one.
  void PermitLinks(std::set<std::string> services);
  const Permission& PermissionFor(const std::string& path) const;
  bool Has(const std::string& path) const { return methods_.contains(path); }

  // One question, one answer. `path`: "/package.Service/Method".
  template <class Request, class Response>
  void Unary(const std::string& path, std::function<void(const Request&, Respond<Response>)> handle);

  // One question, many answers.
  template <class Response>
  class Writer {
   public:
    explicit Writer(std::shared_ptr<Responder> responder) : responder_(std::move(responder)) {}
    bool Write(const Response& response) { return responder_->Send(response.SerializeAsString()); }
    std::size_t unsent() const { return responder_->unsent(); }
    void Finish() { responder_->Finish(); }
    void Fail(const std::string& why) { responder_->Fail(why); }

   private:
    std::shared_ptr<Responder> responder_;
  };
  template <class Request, class Response>
  void Listing(const std::string& path, std::function<void(const Request&, Writer<Response>)> handle);

  // Many questions, each answered before the next is read. `begin` is called for each call.
  template <class Request, class Response>
  using Converse = std::function<void(const Request&, Respond<Response>)>;
  template <class Request, class Response>
  void Conversation(const std::string& path, std::function<Converse<Request, Response>()> begin);

  // A message of the caller.
  using OnMessage = std::function<void(const std::string&, const std::shared_ptr<Responder>&)>;
  // What handles one call; nothing if there is no such method.
  OnMessage Begin(const std::string& path) const;

 private:
  template <class Request>
  static bool Parse(const std::string& message, Request& request, Responder& responder);

  std::map<std::string, std::function<OnMessage()>> methods_;
  std::map<std::string, Permission> permissions_;
};

template <class Request>
bool Methods::Parse(const std::string& message, Request& request, Responder& responder) {
  if (request.ParseFromString(message)) {
    responder.Asked(request);
    return true;
  }
  responder.Fail("the request does not parse");
  return false;
}

template <class Request, class Response>
void Methods::Unary(const std::string& path, std::function<void(const Request&, Respond<Response>)> handle) {
  OnMessage on_message = [handle](const std::string& message, const std::shared_ptr<Responder>& responder) {
    Request request;
    if (!Parse(message, request, *responder)) return;
    handle(request, [responder](const Response& response) {
      responder->Answered(response);
      responder->Send(response.SerializeAsString());
      responder->Finish();
    });
  };
  methods_[path] = [on_message] { return on_message; };
}

template <class Request, class Response>
void Methods::Listing(const std::string& path, std::function<void(const Request&, Writer<Response>)> handle) {
  OnMessage on_message = [handle](const std::string& message, const std::shared_ptr<Responder>& responder) {
    Request request;
    if (Parse(message, request, *responder)) handle(request, Writer<Response>(responder));
  };
  methods_[path] = [on_message] { return on_message; };
}

template <class Request, class Response>
void Methods::Conversation(const std::string& path, std::function<Converse<Request, Response>()> begin) {
  methods_[path] = [begin] {
    return OnMessage([converse = begin()](const std::string& message, const std::shared_ptr<Responder>& responder) {
      Request request;
      if (!Parse(message, request, *responder)) return;
      converse(request, [responder](const Response& response) {
        responder->Answered(response);
        responder->Send(response.SerializeAsString());
        responder->Next();
      });
    });
  };
}

}  // namespace parley::rpc
