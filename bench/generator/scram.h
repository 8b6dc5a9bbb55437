#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace parley::bench {

std::string Base64(std::string_view bytes);
std::string FromBase64(std::string_view text);

enum class Hash { kSha1, kSha256 };

// Salted passwords (RFC 5802: PBKDF2, 0.8 ms each) by hash, password, salt and iterations; computed once, and kept in
// a file if there is one, so that the generator does not spend its time on what real clients do once in their lives.
class SaltedPasswords {
 public:
  // Empty: no file. Processes may share it: each new one is appended with one write.
  explicit SaltedPasswords(const std::string& file);
  ~SaltedPasswords();
  const std::string& Get(Hash hash, std::string_view password, std::string_view salt, int iterations);

 private:
  std::unordered_map<std::string, std::string> known_;
  int fd_ = -1;
};

// The client's side of one SCRAM exchange (RFC 5802, without channel binding).
class Scram {
 public:
  Scram(Hash hash, std::string_view user, std::string_view password);
  std::string First() const { return "n,," + bare_; }
  // The answer to the server's first message; empty: it makes no sense.
  std::string Final(std::string_view server_first, SaltedPasswords& salted);
  // Whether the server proved that it knows the password, too.
  bool Proven(std::string_view server_final) const;

 private:
  const Hash hash_;
  const std::string password_;
  std::string bare_;
  std::string server_signature_;
};

}  // namespace parley::bench
