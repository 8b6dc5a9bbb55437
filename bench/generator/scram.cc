#include "bench/generator/scram.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <stdexcept>

namespace parley::bench {
namespace {

const EVP_MD* Digest(Hash hash) { return hash == Hash::kSha1 ? EVP_sha1() : EVP_sha256(); }

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string Hmac(Hash hash, std::string_view key, std::string_view text) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  HMAC(Digest(hash), key.data(), static_cast<int>(key.size()), Bytes(text), text.size(),
       reinterpret_cast<unsigned char*>(out.data()), &size);
  out.resize(size);
  return out;
}

std::string HashOf(Hash hash, std::string_view text) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &size, Digest(hash), nullptr);
  out.resize(size);
  return out;
}

std::string Pbkdf2(Hash hash, std::string_view password, std::string_view salt, int iterations) {
  std::string out(EVP_MD_get_size(Digest(hash)), '\0');
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Bytes(salt), static_cast<int>(salt.size()),
                    iterations, Digest(hash), static_cast<int>(out.size()),
                    reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

// "r=...,s=...,i=...": the value of one letter.
std::string_view Field(std::string_view message, char letter) {
  while (!message.empty()) {
    const std::size_t end = std::min(message.find(','), message.size());
    if (end > 1 && message[0] == letter && message[1] == '=') return message.substr(2, end - 2);
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return {};
}

}  // namespace

std::string Base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), Bytes(bytes), static_cast<int>(bytes.size()));
  out.resize(size);
  return out;
}

std::string FromBase64(std::string_view text) {
  std::string out(text.size() / 4 * 3 + 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), Bytes(text), static_cast<int>(text.size()));
  if (size < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  out.resize(size - padding);
  return out;
}

SaltedPasswords::SaltedPasswords(const std::string& file) {
  if (file.empty()) return;
  std::ifstream lines(file);
  for (std::string key, value; lines >> key >> value;) known_[FromBase64(key)] = FromBase64(value);
  fd_ = open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) throw std::runtime_error("cannot write " + file);
}

SaltedPasswords::~SaltedPasswords() {
  if (fd_ >= 0) close(fd_);
}

const std::string& SaltedPasswords::Get(Hash hash, std::string_view password, std::string_view salt, int iterations) {
  std::string key = (hash == Hash::kSha1 ? "1 " : "2 ") + std::to_string(iterations) + " ";
  key.append(salt).append(" ").append(password);
  const auto [found, added] = known_.try_emplace(key);
  if (added) {
    found->second = Pbkdf2(hash, password, salt, iterations);
    const std::string line = Base64(key) + " " + Base64(found->second) + "\n";
    if (fd_ >= 0 && write(fd_, line.data(), line.size()) < 0) fd_ = -1;
  }
  return found->second;
}

Scram::Scram(Hash hash, std::string_view user, std::string_view password) : hash_(hash), password_(password) {
  unsigned char nonce[18];
  RAND_bytes(nonce, sizeof nonce);
  bare_.append("n=").append(user).append(",r=");
  bare_ += Base64({reinterpret_cast<char*>(nonce), sizeof nonce});
}

std::string Scram::Final(std::string_view server_first, SaltedPasswords& salted) {
  const auto nonce = Field(server_first, 'r');
  const auto salt = FromBase64(Field(server_first, 's'));
  const auto count = Field(server_first, 'i');
  int iterations = 0;
  std::from_chars(count.data(), count.data() + count.size(), iterations);
  if (nonce.empty() || salt.empty() || iterations < 1) return {};
  const std::string& key = salted.Get(hash_, password_, salt, iterations);
  const std::string client_key = Hmac(hash_, key, "Client Key");
  std::string final = "c=biws,r=";
  final.append(nonce);
  std::string signed_text = bare_;
  signed_text.append(",").append(server_first).append(",").append(final);
  std::string proof = Hmac(hash_, HashOf(hash_, client_key), signed_text);
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
  server_signature_ = Hmac(hash_, Hmac(hash_, key, "Server Key"), signed_text);
  return final + ",p=" + Base64(proof);
}

bool Scram::Proven(std::string_view server_final) const {
  return !server_signature_.empty() && FromBase64(Field(server_final, 'v')) == server_signature_;
}

}  // namespace parley::bench
