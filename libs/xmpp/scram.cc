#include "libs/xmpp/scram.h"

#include <utility>

#include "libs/base/ids.h"
#include "libs/xmpp/base64.h"
#include "libs/xmpp/scram_crypto.h"
#include "libs/xmpp/scram_message.h"

namespace parley::xmpp::scram {
namespace {

constexpr std::string_view kExporter = "tls-exporter";
constexpr std::string_view kUnique = "tls-unique";
constexpr std::string_view kEndPoint = "tls-server-end-point";

// Empty: not one that this connection has.
std::string_view BindingData(const ChannelBinding& binding, std::string_view name) {
  if (name == kExporter) return binding.exporter;
  if (name == kUnique) return binding.unique;
  if (name == kEndPoint) return binding.end_point;
  return {};
}

}  // namespace

std::string_view HashName(Hash hash) { return hash == Hash::kSha1 ? "SHA-1" : "SHA-256"; }

Keys Derive(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations) {
  const std::string salted = SaltedPassword(hash, password, salt, iterations);
  return Keys{.hash = hash,
              .salt = std::string(salt),
              .iterations = iterations,
              .stored_key = Digest(hash, Hmac(hash, salted, "Client Key")),
              .server_key = Hmac(hash, salted, "Server Key")};
}

bool Verify(const Keys& keys, std::string_view password) {
  if (keys.iterations == 0) return false;  // no keys at all
  const Keys derived = Derive(keys.hash, password, keys.salt, keys.iterations);
  return EqualSecrets(derived.stored_key, keys.stored_key);
}

Server::Server(Hash hash, bool plus, bool plus_offered, ChannelBinding binding)
    : hash_(hash), plus_(plus), plus_offered_(plus_offered), binding_(std::move(binding)) {}

std::optional<Problem> Server::CheckBinding(const ClientFirstMessage& message) const {
  // RFC 5802 section 6: -PLUS and the 'p' flag go together.
  if (plus_ != (message.flag == BindingFlag::kUsed)) return Problem::kMalformed;
  if (message.flag == BindingFlag::kUnused && plus_offered_) return Problem::kDowngrade;
  if (plus_ && BindingData(binding_, message.binding_name).empty()) return Problem::kBindingUnsupported;
  return std::nullopt;
}

std::optional<Problem> Server::ClientFirst(std::string_view message) {
  auto parsed = ParseClientFirst(message);
  if (!parsed) return Problem::kMalformed;
  if (const auto problem = CheckBinding(*parsed)) return problem;
  username_ = std::move(parsed->username);
  authzid_ = std::move(parsed->authzid);
  gs2_header_ = parsed->gs2_header;
  binding_name_ = parsed->binding_name;
  client_first_bare_ = parsed->bare;
  nonce_ = parsed->nonce;
  return std::nullopt;
}

std::string Server::ServerFirst(const Keys& keys, std::string_view nonce) {
  keys_ = keys;
  nonce_.append(nonce.empty() ? RandomId() : nonce);
  server_first_ = "r=" + nonce_ + ",s=" + Base64Encode(keys.salt) + ",i=" + std::to_string(keys.iterations);
  return server_first_;
}

Server::Final Server::ClientFinal(std::string_view message) {
  const std::string server_first = std::exchange(server_first_, {});
  const auto parsed = ParseClientFinal(message);
  if (!parsed || server_first.empty()) return {.problem = Problem::kMalformed};
  const std::string expected = gs2_header_ + std::string(BindingData(binding_, binding_name_));
  if (!EqualSecrets(parsed->binding, expected)) return {.problem = Problem::kBindingMismatch};
  if (!EqualSecrets(parsed->nonce, nonce_)) return {.problem = Problem::kBadProof};

  const std::string auth_message = client_first_bare_ + "," + server_first + "," + std::string(parsed->without_proof);
  const std::string client_key = Xor(parsed->proof, Hmac(hash_, keys_.stored_key, auth_message));
  // A proof of another length leaves a key of another length, and so another digest.
  if (!EqualSecrets(Digest(hash_, client_key), keys_.stored_key)) return {.problem = Problem::kBadProof};
  return {.message = "v=" + Base64Encode(Hmac(hash_, keys_.server_key, auth_message))};
}

}  // namespace parley::xmpp::scram
