#pragma once

#include <string>
#include <string_view>

#include "libs/rpc/security.h"

namespace google::protobuf {
class Message;
}

namespace parley::rpc {

// One line in the log for each change that an operator asks for: who, what, on whom, and what came of it. Only fields
// that name accounts and parts of the cluster are written, never a password.
class Audit {
 public:
  Audit(Caller caller, std::string method) : caller_(std::move(caller)), method_(std::move(method)) {}

  void Asked(const google::protobuf::Message& request);
  void Answered(const google::protobuf::Message& response);
  // Writes the line; `end` is used unless an answer said that it was refused.
  void Ended(std::string_view end) const;

  // A call that was not let in.
  static void Denied(const Caller& caller, const std::string& method, const std::string& reason);

 private:
  Caller caller_;
  std::string method_;
  std::string on_;
  std::string result_;
  int asked_for_ = 0;  // accounts of an import
  bool refused_ = false;
};

}  // namespace parley::rpc
