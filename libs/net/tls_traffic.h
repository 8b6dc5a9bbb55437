#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace parley::net {

// What a cipher suite of TLS 1.3 says of records and keys (RFC 8446 B.4).
struct TlsSuite {
  const EVP_CIPHER* cipher;
  const EVP_MD* digest;
  std::size_t key_size;
  std::size_t secret_size;

  // By SSL_CIPHER_get_id(). nullptr: not one of AES-GCM or ChaCha20-Poly1305 in TLS 1.3.
  static const TlsSuite* Find(std::uint32_t id);
};

// Of one direction (RFC 8446 7.1), and how many records its keys have protected.
struct TlsSecret {
  std::string bytes;
  std::uint64_t records = 0;
};

// RFC 8446 5.1.
enum class TlsContent : std::uint8_t { kAlert = 21, kHandshake = 22, kData = 23 };

// One direction of a connection: its keys (RFC 8446 7.3) and the number of its next record (5.3). Records are protected
// by OpenSSL's ciphers; no state of theirs is kept here, as setting a key costs 0.15 us and keeping one a KiB.
class TlsTraffic {
 public:
  static constexpr std::size_t kHeaderSize = 5;
  static constexpr std::size_t kMaxPlain = 16384;
  static constexpr std::size_t kMaxInner = kMaxPlain + 1;  // with its type and padding
  static constexpr std::size_t kMaxCipher = kMaxPlain + 256;
  static constexpr std::size_t kTagSize = 16;

  TlsTraffic(const TlsSuite& suite, const TlsSecret& secret);
  TlsTraffic(const TlsTraffic&) = delete;
  TlsTraffic& operator=(const TlsTraffic&) = delete;
  ~TlsTraffic();

  // Appends one record (5.2) with at most kMaxPlain bytes to `wire`.
  void Seal(TlsContent type, std::string_view plain, std::string& wire);
  // Decrypts a record with its header, of at least kTagSize bytes behind that, in place: `inner` is the content with
  // its type and padding. False: it is not authentic.
  bool Open(std::span<unsigned char> record, std::span<unsigned char>& inner);
  // The next generation of keys (7.2).
  void Update();
  // More records should not be protected by these keys (5.5).
  bool worn() const;

 private:
  std::array<unsigned char, 12> NextNonce();
  void DeriveKeys();

  const TlsSuite& suite_;
  std::uint64_t sequence_;
  std::array<unsigned char, 48> secret_{};
  std::array<unsigned char, 32> key_{};
  std::array<unsigned char, 12> iv_{};
};

}  // namespace parley::net
