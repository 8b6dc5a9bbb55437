#include "libs/net/tls_traffic.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>

namespace parley::net {
namespace {

constexpr std::uint64_t kMaxRecords = 1 << 24;  // 2^24.5 of full size for AES-GCM (RFC 8446 5.5)

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// OpenSSL refuses nothing here but a programmer's error or memory.
void Require(int result) {
  if (result != 1) throw std::runtime_error("TLS: OpenSSL failed to set up a cipher");
}

const TlsSuite& Suite(const char* cipher, const char* digest) {
  // Never freed: looked up by name once.
  const EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, cipher, nullptr);
  const EVP_MD* hash = EVP_MD_fetch(nullptr, digest, nullptr);
  if (fetched == nullptr || hash == nullptr) throw std::runtime_error(std::string("TLS: OpenSSL has no ") + cipher);
  return *new TlsSuite{fetched, hash, static_cast<std::size_t>(EVP_CIPHER_get_key_length(fetched)),
                       static_cast<std::size_t>(EVP_MD_get_size(hash))};
}

// One for each cipher, thread and direction is enough, since every record sets its key.
enum class Direction : int { kOpen = 0, kSeal = 1 };
template <Direction direction>
EVP_CIPHER_CTX* ContextOf(const TlsSuite& suite) {
  thread_local CipherContext context;
  thread_local const TlsSuite* of = nullptr;
  if (!context) context.reset(EVP_CIPHER_CTX_new());
  if (!context) throw std::bad_alloc();
  if (of != &suite) {
    Require(EVP_CipherInit_ex(context.get(), suite.cipher, nullptr, nullptr, nullptr, static_cast<int>(direction)));
    of = &suite;
  }
  return context.get();
}

// HKDF-Expand-Label (RFC 8446 7.1) without a context; of at most one hash, so that Expand is one HMAC (RFC 5869 2.3).
void ExpandLabel(const TlsSuite& suite, std::span<const unsigned char> secret, std::string_view label,
                 std::span<unsigned char> to) {
  const std::string full = "tls13 " + std::string(label);
  std::string info{'\0', static_cast<char>(to.size()), static_cast<char>(full.size())};
  info += full;
  info += '\0';
  info += '\x01';
  unsigned char hash[EVP_MAX_MD_SIZE];
  HMAC(suite.digest, secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(info.data()), info.size(), hash, nullptr);
  std::copy_n(hash, to.size(), to.begin());
  OPENSSL_cleanse(hash, sizeof hash);
}

}  // namespace

const TlsSuite* TlsSuite::Find(std::uint32_t id) {
  static const TlsSuite& aes128 = Suite("AES-128-GCM", "SHA256");
  static const TlsSuite& aes256 = Suite("AES-256-GCM", "SHA384");
  static const TlsSuite& chacha = Suite("ChaCha20-Poly1305", "SHA256");
  switch (id) {
    case TLS1_3_CK_AES_128_GCM_SHA256:
      return &aes128;
    case TLS1_3_CK_AES_256_GCM_SHA384:
      return &aes256;
    case TLS1_3_CK_CHACHA20_POLY1305_SHA256:
      return &chacha;
    default:
      return nullptr;
  }
}

TlsTraffic::TlsTraffic(const TlsSuite& suite, const TlsSecret& secret) : suite_(suite), sequence_(secret.records) {
  if (secret.bytes.size() != suite.secret_size) throw std::invalid_argument("TLS: a secret of another size");
  std::copy(secret.bytes.begin(), secret.bytes.end(), secret_.begin());
  DeriveKeys();
}

TlsTraffic::~TlsTraffic() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
  OPENSSL_cleanse(key_.data(), key_.size());
}

void TlsTraffic::DeriveKeys() {
  const auto secret = std::span(secret_).first(suite_.secret_size);
  ExpandLabel(suite_, secret, "key", std::span(key_).first(suite_.key_size));
  ExpandLabel(suite_, secret, "iv", iv_);
}

void TlsTraffic::Update() {
  const auto secret = std::span(secret_).first(suite_.secret_size);
  ExpandLabel(suite_, secret, "traffic upd", secret);
  DeriveKeys();
  sequence_ = 0;
}

bool TlsTraffic::worn() const { return sequence_ >= kMaxRecords; }

std::array<unsigned char, 12> TlsTraffic::NextNonce() {
  auto nonce = iv_;
  std::uint64_t rest = sequence_++;
  for (std::size_t i = nonce.size(); rest > 0; rest >>= 8) nonce[--i] ^= static_cast<unsigned char>(rest);
  return nonce;
}

void TlsTraffic::Seal(TlsContent type, std::string_view plain, std::string& wire) {
  const std::size_t start = wire.size();
  const std::size_t size = plain.size() + 1 + kTagSize;
  wire.resize(start + kHeaderSize + size);
  auto* const header = reinterpret_cast<unsigned char*>(wire.data()) + start;
  header[0] = static_cast<unsigned char>(TlsContent::kData);
  header[1] = 3;  // TLS 1.2, as in every record of 1.3
  header[2] = 3;
  header[3] = static_cast<unsigned char>(size >> 8);
  header[4] = static_cast<unsigned char>(size);
  unsigned char* const cipher = header + kHeaderSize;
  const auto inner_type = static_cast<unsigned char>(type);
  EVP_CIPHER_CTX* const context = ContextOf<Direction::kSeal>(suite_);
  int moved = 0;
  Require(EVP_EncryptInit_ex(context, nullptr, nullptr, key_.data(), NextNonce().data()));
  Require(EVP_EncryptUpdate(context, nullptr, &moved, header, kHeaderSize));
  Require(EVP_EncryptUpdate(context, cipher, &moved, reinterpret_cast<const unsigned char*>(plain.data()),
                            static_cast<int>(plain.size())));
  Require(EVP_EncryptUpdate(context, cipher + plain.size(), &moved, &inner_type, 1));
  Require(EVP_EncryptFinal_ex(context, cipher + plain.size() + 1, &moved));
  Require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, cipher + plain.size() + 1));
}

bool TlsTraffic::Open(std::span<unsigned char> record, std::span<unsigned char>& inner) {
  const auto cipher = record.subspan(kHeaderSize);
  const auto tag = cipher.last(kTagSize);
  inner = cipher.first(cipher.size() - kTagSize);
  EVP_CIPHER_CTX* const context = ContextOf<Direction::kOpen>(suite_);
  int moved = 0;
  Require(EVP_DecryptInit_ex(context, nullptr, nullptr, key_.data(), NextNonce().data()));
  Require(EVP_DecryptUpdate(context, nullptr, &moved, record.data(), kHeaderSize));
  Require(EVP_DecryptUpdate(context, inner.data(), &moved, inner.data(), static_cast<int>(inner.size())));
  Require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()));
  return EVP_DecryptFinal_ex(context, inner.data() + inner.size(), &moved) == 1;
}

}  // namespace parley::net
