#include "libs/xmpp/scram_crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <memory>
#include <stdexcept>

namespace parley::xmpp::scram {
namespace {

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// OpenSSL fails here only when memory or its providers are gone: nothing that a client could cause.
void Require(bool done) {
  if (!done) throw std::runtime_error("OpenSSL failed in SCRAM");
}

// Looked up by name once; OpenSSL would do it for each call.
const EVP_MD* Algorithm(Hash hash) {
  static const EVP_MD* const kSha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  const EVP_MD* algorithm = hash == Hash::kSha1 ? kSha1 : kSha256;
  Require(algorithm != nullptr);
  return algorithm;
}

std::size_t Length(Hash hash) { return static_cast<std::size_t>(EVP_MD_get_size(Algorithm(hash))); }

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

MacContext WithDigest(std::string name) {
  EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  MacContext context(EVP_MAC_CTX_new(hmac));
  EVP_MAC_free(hmac);  // the context has it
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                   OSSL_PARAM_construct_end()};
  const unsigned char key = 0;  // any: a context without one cannot be copied
  Require(context && EVP_MAC_init(context.get(), &key, 1, parameters) == 1);
  return context;
}

// Copies, for the same reason.
MacContext NewMac(Hash hash) {
  static const MacContext kSha1 = WithDigest("SHA1");
  static const MacContext kSha256 = WithDigest("SHA256");
  return MacContext(EVP_MAC_CTX_dup(hash == Hash::kSha1 ? kSha1.get() : kSha256.get()));
}

}  // namespace

std::string Hmac(Hash hash, std::string_view key, std::string_view text) {
  if (key.data() == nullptr) key = "";  // to OpenSSL no key means the one before
  const MacContext context = NewMac(hash);
  std::string out(Length(hash), '\0');
  std::size_t written = 0;
  Require(context && EVP_MAC_init(context.get(), Bytes(key), key.size(), nullptr) == 1 &&
          EVP_MAC_update(context.get(), Bytes(text), text.size()) == 1 &&
          EVP_MAC_final(context.get(), Bytes(out), &written, out.size()) == 1);
  return out;
}

std::string Digest(Hash hash, std::string_view text) {
  std::string out(Length(hash), '\0');
  Require(EVP_Digest(text.data(), text.size(), Bytes(out), nullptr, Algorithm(hash), nullptr) == 1);
  return out;
}

std::string Xor(std::string_view a, std::string_view b) {
  std::string out(a);
  for (std::size_t i = 0; i < out.size() && i < b.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
  return out;
}

std::string SaltedPassword(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations) {
  std::string out(Length(hash), '\0');
  Require(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Bytes(salt),
                            static_cast<int>(salt.size()), static_cast<int>(iterations), Algorithm(hash),
                            static_cast<int>(out.size()), Bytes(out)) == 1);
  return out;
}

bool EqualSecrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace parley::xmpp::scram
