#include "libs/net/tls_handshake.h"

#include <openssl/ssl.h>
#include <unicode/uidna.h>

#include <algorithm>
#include <cstdint>

#include "libs/net/client_hello.h"

namespace parley::net {
namespace {

constexpr std::size_t kMaxName = 255;  // RFC 1035 2.3.4

ClientHello* HelloOf(SSL* ssl) { return static_cast<ClientHello*>(SSL_get_app_data(ssl)); }

std::uint16_t BigEndian(std::string_view bytes) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1]));
}

// RFC 6066 3: the first host_name of the list; empty if there is none.
std::string_view ServerName(SSL* ssl) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1 || size < 5) return {};
  std::string_view name(reinterpret_cast<const char*>(data), size);
  const bool is_host_name = name[2] == TLSEXT_NAMETYPE_host_name;
  const std::size_t length = BigEndian(name.substr(3));
  name.remove_prefix(5);
  return is_host_name && length <= std::min(name.size(), kMaxName) ? name.substr(0, length) : std::string_view();
}

// Before anything else is looked at, so that tickets are judged by the chosen host (a servername callback comes later).
int ChooseHost(SSL* ssl, int*, void*) {
  ClientHello* hello = HelloOf(ssl);
  if (hello == nullptr) return SSL_CLIENT_HELLO_SUCCESS;
  const std::string_view name = ServerName(ssl);
  hello->sni.assign(name);
  SSL_CTX* context = hello->contexts.Find(name);
  if (context == nullptr) return SSL_CLIENT_HELLO_SUCCESS;
  // What an SSL copies from its first context and SSL_set_SSL_CTX() leaves as it is.
  SSL_set_SSL_CTX(ssl, context);
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), SSL_CTX_get_verify_callback(context));
  SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(context));
  SSL_clear_options(ssl, SSL_OP_NO_TICKET);
  SSL_set_options(ssl, SSL_CTX_get_options(context) & SSL_OP_NO_TICKET);
  return SSL_CLIENT_HELLO_SUCCESS;
}

int ChooseProtocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                   unsigned offered_size, void*) {
  const ClientHello* hello = HelloOf(ssl);
  if (hello == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const std::string& ours = hello->contexts.options().alpn;
  std::string_view rest(reinterpret_cast<const char*>(offered), offered_size);
  while (!rest.empty()) {
    const std::size_t size = static_cast<unsigned char>(rest[0]);
    const std::string_view protocol = rest.substr(1, size);
    if (protocol == ours) {
      *chosen = reinterpret_cast<const unsigned char*>(protocol.data());
      *chosen_size = static_cast<unsigned char>(protocol.size());
      return SSL_TLSEXT_ERR_OK;
    }
    rest.remove_prefix(std::min(rest.size(), size + 1));
  }
  return hello->alpn == Alpn::kRequired ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

void InstallHandshakeCallbacks(SSL_CTX* context) {
  SSL_CTX_set_client_hello_cb(context, ChooseHost, nullptr);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
}

std::string ToAscii(std::string_view domain) {
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  UErrorCode error = U_ZERO_ERROR;
  static const UIDNA* const idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII, &error);
  std::string ascii(256, '\0');
  UIDNAInfo info = UIDNA_INFO_INITIALIZER;
  error = U_ZERO_ERROR;
  const int size = uidna_nameToASCII_UTF8(idna, domain.data(), static_cast<int>(domain.size()), ascii.data(),
                                          static_cast<int>(ascii.size()), &info, &error);
  if (U_FAILURE(error) || info.errors != 0) return std::string(domain);
  ascii.resize(static_cast<std::size_t>(size));
  return ascii;
}

}  // namespace parley::net
