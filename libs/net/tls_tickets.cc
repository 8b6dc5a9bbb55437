#include "libs/net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "libs/base/log.h"
#include "libs/net/tls_info.h"

namespace parley::net {
namespace {

// Forward secrecy of TLS 1.2 sessions reaches no further than the life of these keys. No setting: who wants others
// gives keys (c2s.tls_ticket_key_file).
constexpr auto kRandomKeyLifetime = std::chrono::hours(24);
constexpr std::size_t kMaxKeys = 16;
constexpr char kConfigKey[] = "c2s.tls_ticket_key_file";

[[noreturn]] void Refuse(const std::string& file, const std::string& problem) {
  throw std::runtime_error("TLS ticket key file " + file + ": " + problem);
}

void CheckPermissions(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    Refuse(file, std::string("cannot be read: ") + std::strerror(errno) + "; make it with `openssl rand -out " + file +
                     " 80`, the same on every node, or check " + kConfigKey);
  }
  if ((status.st_mode & S_IRWXO) != 0) {
    Refuse(file,
           "everyone on this machine may read or write it, and with it the traffic of resumed TLS 1.2 sessions; "
           "do `chmod o= " +
               file + "`, and make new keys");
  }
}

std::vector<TicketKey> ReadKeys(const std::string& file) {
  CheckPermissions(file);
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    Refuse(file, std::string("cannot be read: ") + std::strerror(errno) + "; check the permissions of the file");
  }
  std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  const std::size_t count = bytes.size() / sizeof(TicketKey);
  if (count == 0 || count > kMaxKeys || bytes.size() % sizeof(TicketKey) != 0) {
    Refuse(file, "it has " + std::to_string(bytes.size()) + " bytes; it must hold 1 to " + std::to_string(kMaxKeys) +
                     " keys of 80 bytes each, in binary, as `openssl rand 80` makes them");
  }
  std::vector<TicketKey> keys(count);
  std::memcpy(keys.data(), bytes.data(), bytes.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return keys;
}

std::vector<TicketKey> RandomKey() {
  std::vector<TicketKey> keys(1);
  if (RAND_bytes(reinterpret_cast<unsigned char*>(keys.data()), sizeof(TicketKey)) != 1) {
    throw std::runtime_error("TLS: OpenSSL has no random bytes for a ticket key");
  }
  return keys;
}

bool SetMac(EVP_MAC_CTX* mac, const TicketKey& key) {
  char digest[] = "SHA256";
  auto* bytes = const_cast<unsigned char*>(key.mac.data());
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, key.mac.size()),
                                   OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int Seal(const TicketKey& key, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  const EVP_CIPHER* aes = EVP_aes_256_cbc();
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1) return -1;
  std::ranges::copy(key.name, name);
  return EVP_EncryptInit_ex(cipher, aes, nullptr, key.seal.data(), iv) == 1 && SetMac(mac, key) ? 1 : -1;
}

// OpenSSL's question for the key of a ticket to be made, or of one that came. 0: unknown, a full handshake; 1: taken;
// 2: taken, and the client gets a new one.
int ChooseKey(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
  const auto* keys = static_cast<const TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (sealing == 1) return Seal(keys->sealing(), name, iv, cipher, mac);
  const TicketKey* key = keys->Find(name);
  if (key == nullptr) return 0;
  if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->seal.data(), iv) != 1 || !SetMac(mac, *key))
    return -1;
  // RFC 8446 C.4: a TLS 1.3 ticket is used once.
  const bool renew = SSL_version(ssl) >= TLS1_3_VERSION || key != &keys->sealing();
  return renew ? 2 : 1;
}

int NoteEndPoint(SSL* ssl, void*) {
  if (SSL_session_reused(ssl) == 1) return 1;  // noted when the client saw the certificate
  const std::string end_point = EndPointBinding(SSL_get_certificate(ssl));
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), end_point.data(), end_point.size());
}

}  // namespace

TicketKeys::TicketKeys(std::string file) : file_(std::move(file)), stamp_(StampOf(file_)) {
  Take(file_.empty() ? RandomKey() : ReadKeys(file_));
}

TicketKeys::~TicketKeys() { OPENSSL_cleanse(keys_.data(), keys_.size() * sizeof(TicketKey)); }

void TicketKeys::Take(std::vector<TicketKey> keys) {
  OPENSSL_cleanse(keys_.data(), keys_.size() * sizeof(TicketKey));
  keys_ = std::move(keys);
  made_ = std::chrono::steady_clock::now();
}

void TicketKeys::InstallIn(SSL_CTX* context) {
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ChooseKey);
  SSL_CTX_set_session_ticket_cb(context, NoteEndPoint, nullptr, nullptr);
}

void TicketKeys::Renew() {
  if (file_.empty()) {
    if (std::chrono::steady_clock::now() - made_ >= kRandomKeyLifetime) Take(RandomKey());
    return;
  }
  const FileStamp stamp = StampOf(file_);
  if (stamp == stamp_) return;
  stamp_ = stamp;
  try {
    Take(ReadKeys(file_));
    log::Info("tls_ticket_keys_reloaded", {{"file", file_}, {"keys", std::to_string(keys_.size())}});
  } catch (const std::runtime_error& error) {
    log::Error("tls_ticket_keys_reload_failed", {{"reason", error.what()}});
  }
}

const TicketKey* TicketKeys::Find(const unsigned char* name) const {
  const auto found = std::ranges::find_if(
      keys_, [name](const TicketKey& key) { return std::memcmp(key.name.data(), name, key.name.size()) == 0; });
  return found == keys_.end() ? nullptr : &*found;
}

std::string EndPointOfTicket(SSL* ssl) {
  void* data = nullptr;
  std::size_t size = 0;
  SSL_SESSION* session = SSL_get_session(ssl);
  if (session == nullptr || SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 || data == nullptr) return {};
  return std::string(static_cast<const char*>(data), size);
}

}  // namespace parley::net
