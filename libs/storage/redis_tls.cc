#include "libs/storage/redis_tls.h"

#include <openssl/x509_vfy.h>

#include <boost/asio/ip/address.hpp>
#include <stdexcept>

namespace parley::storage {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

void Check(const error_code& error, const std::string& key, const std::string& file) {
  if (!error) return;
  throw std::runtime_error(key + ": " + (file.empty() ? "the system's authorities" : file) +
                           " cannot be loaded: " + error.message());
}

ssl::context ContextOf(const RedisOptions& options) {
  ssl::context context(ssl::context::tls_client);
  context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context.set_verify_mode(ssl::verify_peer);
  error_code error;
  if (options.ca_file.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.load_verify_file(options.ca_file, error);
  }
  Check(error, "redis.ca_file", options.ca_file);
  if (options.certificate_file.empty()) return context;
  context.use_certificate_chain_file(options.certificate_file, error);
  Check(error, "redis.certificate_file", options.certificate_file);
  context.use_private_key_file(options.key_file, ssl::context::pem, error);
  Check(error, "redis.key_file", options.key_file);
  return context;
}

}  // namespace

RedisTls::RedisTls(const RedisOptions& options, Socket& socket)
    : context_(ContextOf(options)),
      stream_(socket, context_),
      name_(options.server_name.empty() ? options.host : options.server_name) {
  stream_.set_verify_callback(ssl::host_name_verification(name_));
  error_code not_an_address;
  boost::asio::ip::make_address(name_, not_an_address);
  if (not_an_address) SSL_set_tlsext_host_name(stream_.native_handle(), name_.c_str());  // RFC 6066: names only
}

std::string RedisTls::Explain(const error_code& error) {
  const long verdict = SSL_get_verify_result(stream_.native_handle());
  std::string text = "TLS: " + error.message();
  if (verdict != X509_V_OK) text += std::string(": ") + X509_verify_cert_error_string(verdict);
  return text + " (the certificate must be for " + name_ + ")";
}

}  // namespace parley::storage
