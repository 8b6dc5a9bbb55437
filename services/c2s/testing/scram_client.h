#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <string>

#include "services/c2s/sasl/base64.h"

namespace parley::c2s::testing {

// The client's side of SCRAM (RFC 5802), for well-meaning and other clients.
class ScramClient {
 public:
  ScramClient(bool sha256, std::string user, std::string password, std::string gs2 = "n,,", std::string binding = {})
      : digest_(sha256 ? EVP_sha256() : EVP_sha1()),
        password_(std::move(password)),
        gs2_(std::move(gs2)),
        binding_(std::move(binding)),
        first_bare_("n=" + user + ",r=" + kNonce) {}

  std::string First() const { return gs2_ + first_bare_; }
  std::string Final(const std::string& server_first) {
    const std::string salt = *FromBase64(Field(server_first, 's'));
    const std::string salted = Pbkdf2(salt, std::stoi(Field(server_first, 'i')));
    const std::string client_key = Hmac(salted, "Client Key");
    const std::string without_proof = "c=" + Base64(gs2_ + binding_) + ",r=" + Field(server_first, 'r');
    const std::string all = first_bare_ + "," + server_first + "," + without_proof;
    server_signature_ = Hmac(Hmac(salted, "Server Key"), all);
    std::string proof = client_key;
    const std::string signature = Hmac(Hash(client_key), all);
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
    return without_proof + ",p=" + Base64(proof);
  }
  // What the server proves itself with.
  std::string ServerFinal() const { return "v=" + Base64(server_signature_); }

 private:
  static constexpr char kNonce[] = "fyko+d2lbbFgONRv9qkxdawL";

  static std::string Field(const std::string& message, char name) {
    const auto at = ("," + message).find(std::string(",") + name + "=");
    const auto end = message.find(',', at + 1);
    return message.substr(at + 2, end == std::string::npos ? end : end - at - 2);
  }
  std::string Pbkdf2(const std::string& salt, int iterations) const {
    std::string out(static_cast<std::size_t>(EVP_MD_size(digest_)), '\0');
    PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()),
                      reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), iterations,
                      digest_, static_cast<int>(out.size()), reinterpret_cast<unsigned char*>(out.data()));
    return out;
  }
  std::string Hmac(const std::string& key, const std::string& text) const {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(digest_, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), out, &size);
    return std::string(reinterpret_cast<char*>(out), size);
  }
  std::string Hash(const std::string& text) const {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), out, &size, digest_, nullptr);
    return std::string(reinterpret_cast<char*>(out), size);
  }

  const EVP_MD* digest_;
  std::string password_;
  std::string gs2_;
  std::string binding_;
  std::string first_bare_;
  std::string server_signature_;
};

}  // namespace parley::c2s::testing
