#include "libs/rpc/audit.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <array>
#include <optional>
#include <utility>

#include "libs/base/log.h"

namespace parley::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::array kSubjects{"jid", "account", "resource", "domain", "session", "instance", "address", "network"};

constexpr char kFailures[] = "failures";  // of some accounts of an import, counted anew in each answer
// What an import has many of, and whether its answers count anew each time: parley.transfer.v1 does, parley.accounts.v1
// counts from the start.
constexpr std::array<std::pair<const char*, bool>, 2> kImported{{{"accounts", false}, {"users", true}}};

void Append(std::string& list, const std::string& item) { list += (list.empty() ? "" : " ") + item; }

const FieldDescriptor* Find(const Message& message, const std::string& name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

std::string TextIn(const Message& message, const std::string& name) {
  const auto* field = Find(message, name);
  if (field == nullptr || field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return {};
  return message.GetReflection()->GetString(message, field);
}

std::optional<std::uint64_t> FigureIn(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  if (field.is_repeated() ||
      (field.cpp_type() != FieldDescriptor::CPPTYPE_UINT32 && field.cpp_type() != FieldDescriptor::CPPTYPE_UINT64)) {
    return std::nullopt;
  }
  return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ? reflection.GetUInt32(message, &field)
                                                             : reflection.GetUInt64(message, &field);
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
  for (const auto& [name, adds_up] : kImported) {
    const auto* many = Find(request, name);
    if (many == nullptr || !many->is_repeated()) continue;
    asked_for_ += request.GetReflection()->FieldSize(request, many);
    adds_up_ = adds_up;
    on_ = std::to_string(asked_for_) + " accounts";
  }
}

void Audit::Answered(const Message& response) {
  refusal_ = TextIn(response, "failure");
  if (refusal_.empty()) refusal_ = ProblemIn(response);
  for (int i = 0; i < response.GetDescriptor()->field_count(); ++i) {
    const auto& field = *response.GetDescriptor()->field(i);
    if (const auto figure = FigureIn(response, field)) {
      figures_[field.name()] = *figure + (adds_up_ ? figures_[field.name()] : 0);
    } else if (field.is_repeated() && field.name() == kFailures) {
      figures_[kFailures] += response.GetReflection()->FieldSize(response, &field);
    } else if (!field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      words_[field.name()] = response.GetReflection()->GetBool(response, &field) ? "true" : "false";
    }
  }
}

std::string Audit::Result() const {
  if (!refusal_.empty()) return refusal_;
  std::string result;
  for (const auto& [name, word] : words_) Append(result, name + "=" + word);
  for (const auto& [name, figure] : figures_) Append(result, name + "=" + std::to_string(figure));
  return result;
}

void Audit::Ended(std::string_view end) const {
  log::Info("audit", {{"who", caller_.name},
                      {"role", caller_.role},
                      {"from", caller_.address},
                      {"call", method_},
                      {"on", on_},
                      {"outcome", refusal_.empty() ? end : "refused"},
                      {"result", Result()}});
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
