#include "libs/net/tls_secrets.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <string_view>

#include "libs/net/client_hello.h"

namespace parley::net {
namespace {

// A line is "LABEL <client random> <secret>", in hexadecimal digits.
std::string SecretOf(std::string_view line) {
  const std::string hex(line.substr(line.rfind(' ') + 1));
  std::string secret(hex.size() / 2, '\0');
  std::size_t size = 0;
  OPENSSL_hexstr2buf_ex(reinterpret_cast<unsigned char*>(secret.data()), secret.size(), &size, hex.c_str(), '\0');
  return secret;
}

void Cleanse(std::string& secret) { OPENSSL_cleanse(secret.data(), secret.size()); }

}  // namespace

TlsSecrets::TlsSecrets(SSL* ssl) {
  SSL_set_msg_callback(ssl, OnMessage);
  SSL_set_msg_callback_arg(ssl, this);
}

TlsSecrets::~TlsSecrets() {
  Cleanse(client_.bytes);
  Cleanse(server_.bytes);
}

void TlsSecrets::OnKeyLog(const SSL* ssl, const char* text) {
  const auto* hello = static_cast<const ClientHello*>(SSL_get_app_data(ssl));
  if (hello == nullptr || hello->secrets == nullptr) return;
  const std::string_view line(text);
  const bool clients = line.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
  if (!clients && !line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) return;
  (clients ? hello->secrets->client_ : hello->secrets->server_).bytes = SecretOf(line);
  SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), nullptr);
}

void TlsSecrets::OnMessage(int sent, int, int type, const void* bytes, std::size_t size, SSL* ssl, void* self) {
  auto& secrets = *static_cast<TlsSecrets*>(self);
  if (type == SSL3_RT_HEADER) {
    TlsSecret& secret = sent != 0 ? secrets.server_ : secrets.client_;
    if (!secret.bytes.empty()) ++secret.records;
  }
  if (type != SSL3_RT_HANDSHAKE || size == 0) return;
  const unsigned char message = *static_cast<const unsigned char*>(bytes);
  secrets.updated_ |= message == SSL3_MT_KEY_UPDATE;
  // Behind these two messages the traffic's secrets are made. All the while that somebody listens OpenSSL writes each
  // of a handshake's five secrets as text: a twelfth of its instructions.
  if (message == SSL3_MT_FINISHED && SSL_version(ssl) == TLS1_3_VERSION) {
    SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), OnKeyLog);
  }
}

}  // namespace parley::net
