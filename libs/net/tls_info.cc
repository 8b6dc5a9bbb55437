#include "libs/net/tls_info.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "libs/net/tls_tickets.h"

namespace parley::net {
namespace {

std::string ToDer(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

// RFC 9266 4.2, RFC 7627: before TLS 1.3 only with the extended master secret. Without it a man in the middle could
// make two handshakes look the same.
bool BindsChannels(const SSL* ssl) {
  return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(const_cast<SSL*>(ssl)) == 1;
}

// RFC 5929 3.1: the first Finished message of the handshake, which is the client's in a full one and ours in a resumed
// one.
std::string Unique(const SSL* ssl) {
  if (!BindsChannels(ssl)) return {};
  unsigned char finished[EVP_MAX_MD_SIZE];
  const std::size_t size = SSL_session_reused(ssl) == 1 ? SSL_get_finished(ssl, finished, sizeof finished)
                                                        : SSL_get_peer_finished(ssl, finished, sizeof finished);
  return std::string(reinterpret_cast<char*>(finished), std::min(size, sizeof finished));
}

bool IsXmppAddress(const GENERAL_NAME* name) {
  return name->type == GEN_OTHERNAME && OBJ_obj2nid(name->d.otherName->type_id) == NID_XmppAddr &&
         name->d.otherName->value->type == V_ASN1_UTF8STRING;
}

// Of the std::string that a certificate carries along.
int EndPointIndex() {
  static const int index = X509_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* remembered, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<std::string*>(remembered); });
  return index;
}

// A resumed session was verified when it was made.
bool HasExpired(const X509* certificate) { return X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0; }

std::string ComputeEndPoint(const X509* certificate) {
  int digest = NID_undef;
  if (X509_get_signature_info(const_cast<X509*>(certificate), &digest, nullptr, nullptr, nullptr) != 1 ||
      digest == NID_undef) {
    return {};
  }
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  const EVP_MD* algorithm = EVP_get_digestbynid(digest);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (algorithm == nullptr || X509_digest(certificate, algorithm, hash, &size) != 1) return {};
  return std::string(reinterpret_cast<char*>(hash), size);
}

}  // namespace

TlsInfo DescribeTls(SSL* ssl, std::string sni) {
  TlsInfo info;
  info.version = SSL_get_version(ssl);
  info.cipher = SSL_get_cipher_name(ssl);
  info.sni = std::move(sni);
  info.exports = BindsChannels(ssl);
  info.unique = Unique(ssl);
  info.resumed = SSL_session_reused(ssl) == 1;
  info.end_point = info.resumed ? EndPointOfTicket(ssl) : std::string();
  if (info.end_point.empty()) info.end_point = EndPointBinding(SSL_get_certificate(ssl));
  X509* peer = SSL_get0_peer_certificate(ssl);
  if (peer != nullptr && SSL_get_verify_result(ssl) == X509_V_OK && !HasExpired(peer)) {
    info.peer_certificate_der = ToDer(peer);
    info.peer_xmpp_addrs = XmppAddresses(peer);
  }
  return info;
}

std::string ExporterBinding(SSL* ssl) {
  if (!BindsChannels(ssl)) return {};
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  std::string binding(32, '\0');
  // A context of no bytes, which is not the same as no context before TLS 1.3 (RFC 9266 2).
  const unsigned char context = 0;
  const int done = SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(binding.data()), binding.size(),
                                              kLabel.data(), kLabel.size(), &context, 0, 1);
  return done == 1 ? binding : std::string();
}

std::string EndPointBinding(const X509* certificate) {
  if (certificate == nullptr) return {};
  const auto* remembered = static_cast<const std::string*>(X509_get_ex_data(certificate, EndPointIndex()));
  return remembered != nullptr ? *remembered : ComputeEndPoint(certificate);
}

void RememberEndPoint(X509* certificate) {
  if (certificate == nullptr || X509_get_ex_data(certificate, EndPointIndex()) != nullptr) return;
  auto computed = std::make_unique<std::string>(ComputeEndPoint(certificate));
  if (X509_set_ex_data(certificate, EndPointIndex(), computed.get()) == 1) computed.release();
}

std::vector<std::string> XmppAddresses(const X509* certificate) {
  std::vector<std::string> addresses;
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (!IsXmppAddress(name)) continue;
    const ASN1_UTF8STRING* text = name->d.otherName->value->value.utf8string;
    addresses.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  return addresses;
}

}  // namespace parley::net
