#include "libs/xmpp/scram_message.h"

#include <algorithm>

#include "libs/xmpp/base64.h"

namespace parley::xmpp::scram {
namespace {

// Takes what comes before the next comma, and the comma. nullopt: nothing is left.
class Fields {
 public:
  explicit Fields(std::string_view message) : message_(message) {}

  std::optional<std::string_view> Next() {
    if (ended_) return std::nullopt;
    const std::size_t comma = message_.find(',', at_);
    ended_ = comma == std::string_view::npos;
    const std::string_view field = message_.substr(at_, comma - at_);
    at_ = ended_ ? message_.size() : comma + 1;
    return field;
  }
  std::size_t position() const { return at_; }
  bool ended() const { return ended_; }

 private:
  std::string_view message_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

// The value of "<letter>=<value>", not empty.
std::optional<std::string_view> Value(std::optional<std::string_view> field, char letter) {
  if (!field || field->size() < 3 || (*field)[0] != letter || (*field)[1] != '=') return std::nullopt;
  return field->substr(2);
}

// saslname: "=2C" is a comma, "=3D" an equals sign, no other "=" may stand.
std::optional<std::string> Unescape(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (name[at] != '=') {
      out += name[at];
      continue;
    }
    const std::string_view code = name.substr(at, 3);
    if (code != "=2C" && code != "=3D") return std::nullopt;
    out += code == "=2C" ? ',' : '=';
    at += 2;
  }
  return out;
}

bool IsBindingName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

// Printable ASCII without the comma, which cannot be here.
bool IsNonce(std::string_view nonce) {
  return std::ranges::all_of(nonce, [](char c) { return c >= 0x21 && c <= 0x7E; });
}

// attr-val, of a kind that does not say "mandatory" ("m"): to be ignored.
bool IsExtension(std::string_view field) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return field.size() >= 3 && is_letter(field[0]) && field[0] != 'm' && field[1] == '=';
}

bool ParseFlag(std::string_view field, ClientFirstMessage& parsed) {
  if (field == "n" || field == "y") {
    parsed.flag = field == "n" ? BindingFlag::kNone : BindingFlag::kUnused;
    return true;
  }
  const auto name = Value(field, 'p');
  if (!name || !IsBindingName(*name)) return false;
  parsed.flag = BindingFlag::kUsed;
  parsed.binding_name = *name;
  return true;
}

bool ParseAuthzid(std::string_view field, ClientFirstMessage& parsed) {
  if (field.empty()) return true;
  const auto value = Value(field, 'a');
  const auto name = value ? Unescape(*value) : std::nullopt;
  if (!name) return false;
  parsed.authzid = *name;
  return true;
}

bool RestAreExtensions(Fields& fields) {
  while (const auto field = fields.Next()) {
    if (!IsExtension(*field)) return false;
  }
  return true;
}

}  // namespace

std::optional<ClientFirstMessage> ParseClientFirst(std::string_view message) {
  if (message.find('\0') != std::string_view::npos) return std::nullopt;
  ClientFirstMessage parsed;
  Fields fields(message);
  const auto flag = fields.Next();
  const auto authzid = fields.Next();
  if (!flag || !authzid || fields.ended()) return std::nullopt;
  if (!ParseFlag(*flag, parsed) || !ParseAuthzid(*authzid, parsed)) return std::nullopt;
  parsed.gs2_header = message.substr(0, fields.position());
  parsed.bare = message.substr(fields.position());

  // A mandatory extension would come first here ("m="): we know none, and it is no username.
  const auto username = Value(fields.Next(), 'n');
  const auto nonce = Value(fields.Next(), 'r');
  const auto name = username ? Unescape(*username) : std::nullopt;
  if (!name || !nonce || !IsNonce(*nonce) || !RestAreExtensions(fields)) return std::nullopt;
  parsed.username = *name;
  parsed.nonce = *nonce;
  return parsed;
}

std::optional<ClientFinalMessage> ParseClientFinal(std::string_view message) {
  if (message.find('\0') != std::string_view::npos) return std::nullopt;
  // The proof is last; the extensions are before it.
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return std::nullopt;
  ClientFinalMessage parsed;
  parsed.without_proof = message.substr(0, proof_at);
  Fields fields(parsed.without_proof);
  const auto binding = Value(fields.Next(), 'c');
  const auto nonce = Value(fields.Next(), 'r');
  if (!binding || !nonce || !IsNonce(*nonce) || !RestAreExtensions(fields)) return std::nullopt;
  auto decoded = Base64Decode(*binding);
  auto proof = Base64Decode(message.substr(proof_at + 3));
  if (!decoded || !proof) return std::nullopt;
  parsed.nonce = *nonce;
  parsed.binding = std::move(*decoded);
  parsed.proof = std::move(*proof);
  return parsed;
}

}  // namespace parley::xmpp::scram
