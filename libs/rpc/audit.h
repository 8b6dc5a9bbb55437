#pragma once

#include <cstdint>
#include <map>
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

  // Both once for each message of the call: an import has many, whose figures are put together.
  void Asked(const google::protobuf::Message& request);
  void Answered(const google::protobuf::Message& response);
  // Writes the line; `end` is used unless an answer said that it was refused.
  void Ended(std::string_view end) const;

  // A call that was not let in.
  static void Denied(const Caller& caller, const std::string& method, const std::string& reason);

 private:
  std::string Result() const;

  Caller caller_;
  std::string method_;
  std::string on_;
  std::string refusal_;
  std::map<std::string, std::string> words_;      // flags of the last answer
  std::map<std::string, std::uint64_t> figures_;  // of all answers
  int asked_for_ = 0;                             // accounts of an import
  bool adds_up_ = false;                          // its answers count anew each time
};

}  // namespace parley::rpc
