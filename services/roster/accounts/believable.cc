#include "services/roster/accounts/believable.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace parley::roster {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kSha1Bytes = 20;
constexpr std::size_t kSha256Bytes = 32;

std::string Derived(std::string_view secret, std::string_view purpose, std::string_view hash, std::string_view jid,
                    std::size_t size) {
  const std::string text = std::string(purpose).append("\n").append(hash).append("\n").append(jid);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &length);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

}  // namespace

ScramKeys BelievableKeys(std::string_view secret, std::string_view jid, std::uint32_t iterations) {
  ScramKeys all;
  for (const auto hash : {xmpp::scram::Hash::kSha1, xmpp::scram::Hash::kSha256}) {
    const auto name = xmpp::scram::HashName(hash);
    const auto size = hash == xmpp::scram::Hash::kSha1 ? kSha1Bytes : kSha256Bytes;
    xmpp::scram::Keys keys;
    keys.hash = hash;
    keys.iterations = iterations;
    keys.salt = Derived(secret, "salt", name, jid, kSaltBytes);
    keys.stored_key = Derived(secret, "stored", name, jid, size);
    keys.server_key = Derived(secret, "server", name, jid, size);
    all.push_back(std::move(keys));
  }
  return all;
}

}  // namespace parley::roster
