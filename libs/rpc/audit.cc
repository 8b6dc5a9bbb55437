#include "libs/rpc/audit.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <array>

#include "libs/base/log.h"

namespace parley::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::array kSubjects{"jid", "account", "resource", "domain", "session", "instance", "address", "network"};

void Append(std::string& list, const std::string& item) { list += (list.empty() ? "" : " ") + item; }

const FieldDescriptor* Find(const Message& message, const std::string& name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

std::string TextIn(const Message& message, const std::string& name) {
  const auto* field = Find(message, name);
  if (field == nullptr || field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return {};
  return message.GetReflection()->GetString(message, field);
}

// Numbers and flags of an answer, as "kicked=1".
void AppendFigure(const Message& message, const FieldDescriptor& field, std::string& result) {
  const auto& reflection = *message.GetReflection();
  const auto append = [&](const std::string& value) { Append(result, field.name() + "=" + value); };
  if (field.is_repeated()) return;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    append(reflection.GetBool(message, &field) ? "true" : "false");
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
    append(std::to_string(reflection.GetUInt32(message, &field)));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
    append(std::to_string(reflection.GetUInt64(message, &field)));
  }
}

std::string ProblemIn(const Message& message) {
  const auto* field = Find(message, "problem");
  if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM || field->is_repeated()) return {};
  const auto* value = message.GetReflection()->GetEnum(message, field);
  return value->number() == 0 ? std::string() : value->name();
}

}  // namespace

void Audit::Asked(const Message& request) {
  on_.clear();
  for (const char* name : kSubjects) {
    if (const auto text = TextIn(request, name); !text.empty()) Append(on_, text);
  }
  const auto* many = Find(request, "accounts");
  if (many == nullptr || !many->is_repeated()) return;
  asked_for_ += request.GetReflection()->FieldSize(request, many);
  on_ = std::to_string(asked_for_) + " accounts";
}

void Audit::Answered(const Message& response) {
  result_ = TextIn(response, "failure");
  if (result_.empty()) result_ = ProblemIn(response);
  refused_ = !result_.empty();
  if (refused_) return;
  for (int i = 0; i < response.GetDescriptor()->field_count(); ++i) {
    AppendFigure(response, *response.GetDescriptor()->field(i), result_);
  }
}

void Audit::Ended(std::string_view end) const {
  log::Info("audit", {{"who", caller_.name},
                      {"role", caller_.role},
                      {"from", caller_.address},
                      {"call", method_},
                      {"on", on_},
                      {"outcome", refused_ ? "refused" : end},
                      {"result", result_}});
}

void Audit::Denied(const Caller& caller, const std::string& method, const std::string& reason) {
  log::Warn("audit", {{"who", caller.name},
                      {"role", caller.role},
                      {"from", caller.address},
                      {"call", method},
                      {"outcome", "denied"},
                      {"result", reason}});
}

}  // namespace parley::rpc
