#include "services/ctl/pie/keys.h"

#include <charconv>
#include <optional>
#include <vector>

#include "libs/xmpp/base64.h"
#include "services/ctl/pie/user.h"

namespace parley::ctl {
namespace {

constexpr std::string_view kScramPrefix = "scram:";
constexpr std::string_view kMechanism = "SCRAM-";

struct Encoded {
  std::string hash;
  std::string salt;
  std::string stored_key;
  std::string server_key;
  std::string iterations;
};

std::string WithoutSpace(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') out += c;
  }
  return out;
}

std::optional<std::string> Decode(const std::string& text) { return xmpp::Base64Decode(WithoutSpace(text)); }

// ejabberd keeps its keys in base64 and encodes them again when it exports: a key is then as long as base64 of its
// hash.
bool EncodedTwice(const std::string& hash, const std::string& key) {
  const std::size_t length = hash == "SHA-1" ? 20 : 32;
  return key.size() == (length + 2) / 3 * 4;
}

void Add(const Encoded& encoded, transfer::v1::User& out) {
  if (encoded.hash != "SHA-1" && encoded.hash != "SHA-256") return;
  auto salt = Decode(encoded.salt), stored = Decode(encoded.stored_key), server = Decode(encoded.server_key);
  if (stored && EncodedTwice(encoded.hash, *stored)) {
    if (salt) salt = Decode(*salt);
    stored = Decode(*stored);
    if (server) server = Decode(*server);
  }
  const std::string number = WithoutSpace(encoded.iterations);
  std::uint32_t iterations = 0;
  std::from_chars(number.data(), number.data() + number.size(), iterations);
  auto& keys = *out.add_keys();
  keys.set_hash(encoded.hash);
  keys.set_salt(salt.value_or(""));
  keys.set_stored_key(stored.value_or(""));
  keys.set_server_key(server.value_or(""));
  keys.set_iterations(iterations);
}

// "scram:[<hash>,]<stored key>,<server key>,<salt>,<iterations>"
void AddAttribute(std::string_view text, transfer::v1::User& out) {
  std::vector<std::string> parts{""};
  for (const char c : text.substr(kScramPrefix.size())) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  Encoded encoded{.hash = "SHA-1"};
  if (parts.size() == 5) {
    encoded.hash = parts.front() == "sha256" ? "SHA-256" : parts.front() == "sha" ? "SHA-1" : parts.front();
    parts.erase(parts.begin());
  }
  if (parts.size() != 4) return;
  encoded.stored_key = parts[0];
  encoded.server_key = parts[1];
  encoded.salt = parts[2];
  encoded.iterations = parts[3];
  Add(encoded, out);
}

}  // namespace

void TakeCredentials(const xml::Element& user, transfer::v1::User& out) {
  const auto password = user.attr("password");
  if (password && password->starts_with(kScramPrefix)) {
    AddAttribute(*password, out);
  } else if (password) {
    out.set_password(std::string(*password));
  }
  for (const auto* child : user.children()) {
    if (!child->Is("scram-credentials", kPieScramNs)) continue;
    const auto mechanism = child->attr("mechanism").value_or("");
    if (!mechanism.starts_with(kMechanism)) continue;
    const auto text = [&](const char* name) {
      const auto* element = child->Find(name, kPieScramNs);
      return element == nullptr ? std::string() : element->text();
    };
    Add({.hash = std::string(mechanism.substr(kMechanism.size())),
         .salt = text("salt"),
         .stored_key = text("stored-key"),
         .server_key = text("server-key"),
         .iterations = text("iter-count")},
        out);
  }
}

}  // namespace parley::ctl
