#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// SCRAM (RFC 5802, RFC 7677), the server's side, and the keys that are stored instead of passwords. On OpenSSL.
namespace parley::xmpp::scram {

enum class Hash { kSha1, kSha256 };
std::string_view HashName(Hash hash);  // "SHA-1", "SHA-256"

struct Keys {
  Hash hash = Hash::kSha256;
  std::string salt;
  std::uint32_t iterations = 0;
  std::string stored_key;
  std::string server_key;
};
// PBKDF2: 0.8 ms per 4096 iterations. `password` is prepared (PreparePassword).
Keys Derive(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations);
// In constant time.
bool Verify(const Keys& keys, std::string_view password);

// What the TLS layer offers for channel binding.
struct ChannelBinding {
  std::string exporter;   // tls-exporter (RFC 9266); empty: not available
  std::string unique;     // tls-unique (RFC 5929); empty: not available
  std::string end_point;  // tls-server-end-point (RFC 5929); empty: not available
};

enum class Problem { kMalformed, kBadProof, kBindingMismatch, kBindingUnsupported, kDowngrade };

struct ClientFirstMessage;

// One authentication exchange. Single use.
class Server {
 public:
  // `plus`: the client chose the -PLUS mechanism. `plus_offered`: the server advertised one (RFC 5802 section 6: a 'y'
  // flag is then a downgrade).
  Server(Hash hash, bool plus, bool plus_offered, ChannelBinding binding);

  // Step 1. After it, username() and authzid() are known; look up the keys.
  std::optional<Problem> ClientFirst(std::string_view message);
  const std::string& username() const { return username_; }  // unescaped ("=2C", "=3D"), not prepared
  const std::string& authzid() const { return authzid_; }
  // Step 2. `nonce` is for tests; empty: random.
  std::string ServerFirst(const Keys& keys, std::string_view nonce = {});
  // Step 3. Gives server-final ("v=...") or the problem.
  struct Final {
    std::optional<Problem> problem;
    std::string message;
  };
  Final ClientFinal(std::string_view message);

 private:
  std::optional<Problem> CheckBinding(const ClientFirstMessage& message) const;

  Hash hash_;
  bool plus_;
  bool plus_offered_;
  ChannelBinding binding_;
  std::string username_;
  std::string authzid_;
  std::string gs2_header_;
  std::string binding_name_;
  std::string client_first_bare_;
  std::string server_first_;
  std::string nonce_;
  Keys keys_;
};

}  // namespace parley::xmpp::scram
