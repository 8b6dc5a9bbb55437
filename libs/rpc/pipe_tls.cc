#include "libs/rpc/pipe_tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <stdexcept>
#include <utility>

namespace parley::rpc {
namespace {

namespace ssl = boost::asio::ssl;

constexpr std::array<unsigned char, 3> kAlpn{2, 'h', '2'};  // RFC 9113 section 3.2

int ChooseAlpn(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
               unsigned int offered_size, void*) {
  unsigned char* match = nullptr;
  const int result = SSL_select_next_proto(&match, size, kAlpn.data(), kAlpn.size(), offered, offered_size);
  *chosen = match;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

ssl::context ContextOf(const IdentityFiles::Pem& files, ssl::context::method method, ssl::verify_mode verify) {
  try {
    ssl::context context(method);
    context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    context.set_verify_mode(verify);
    context.add_certificate_authority(boost::asio::buffer(files.authorities));
    context.use_certificate_chain(boost::asio::buffer(files.certificate));
    context.use_private_key(boost::asio::buffer(files.key), ssl::context::pem);
    // Connections live long.
    SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    return context;
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error(std::string("TLS: ") + error.what());
  }
}

std::string TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

}  // namespace

std::shared_ptr<const PipeTls> PipeTls::ToDial(const IdentityFiles::Pem& files) {
  auto context = ContextOf(files, ssl::context::tls_client, ssl::verify_peer);
  SSL_CTX_set_alpn_protos(context.native_handle(), kAlpn.data(), kAlpn.size());
  return std::make_shared<PipeTlsContext>(std::move(context));
}

std::shared_ptr<const PipeTls> PipeTls::ToAccept(const IdentityFiles::Pem& files) {
  auto context = ContextOf(files, ssl::context::tls_server, ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  SSL_CTX_set_alpn_select_cb(context.native_handle(), &ChooseAlpn, nullptr);
  return std::make_shared<PipeTlsContext>(std::move(context));
}

bool SpeaksHttp2(const SSL* tls) {
  const unsigned char* chosen = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(tls, &chosen, &size);
  return std::equal(chosen, chosen + size, kAlpn.begin() + 1, kAlpn.end());
}

PeerNames NamesIn(X509* certificate) {
  PeerNames names;
  const auto free_names = [](GENERAL_NAMES* found) { GENERAL_NAMES_free(found); };
  const std::unique_ptr<GENERAL_NAMES, decltype(free_names)> found(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)), free_names);
  for (int i = 0; found && i < sk_GENERAL_NAME_num(found.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(found.get(), i);
    if (name->type == GEN_DNS) names.dns.push_back(TextOf(name->d.dNSName));
  }
  auto* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) names.common = TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  return names;
}

}  // namespace parley::rpc
