#include "libs/rpc/identity_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "libs/base/log.h"

namespace parley::rpc {
namespace {

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

std::string Read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in) return text;
  throw std::runtime_error("mtls.directory: cannot read " + file + "; check the path and its permissions");
}

std::unique_ptr<BIO, int (*)(BIO*)> Memory(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

Owned<X509> CertificateIn(const std::string& pem, const std::string& file) {
  Owned<X509> certificate(PEM_read_bio_X509(Memory(pem).get(), nullptr, nullptr, nullptr), X509_free);
  ERR_clear_error();
  if (!certificate) throw std::runtime_error("mtls.directory: there is no PEM certificate in " + file);
  return certificate;
}

void Check(const IdentityFiles::Pem& pem, const MutualTls& tls) {
  const auto certificate = CertificateIn(pem.certificate, tls.certificate_file());
  CertificateIn(pem.authorities, tls.ca_file());
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Memory(pem.key).get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  const bool fits = key && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) throw std::runtime_error("mtls.directory: " + tls.key_file() + " is not the key of the certificate");
}

IdentityFiles::Pem ReadAll(const MutualTls& tls) {
  IdentityFiles::Pem pem{Read(tls.certificate_file()), Read(tls.key_file()), Read(tls.ca_file())};
  Check(pem, tls);
  return pem;
}

}  // namespace

IdentityFiles::IdentityFiles(MutualTls tls)
    : tls_(std::move(tls)), current_(std::make_shared<const Pem>(ReadAll(tls_))), looked_(Clock::now()) {}

std::shared_ptr<const IdentityFiles::Pem> IdentityFiles::Current() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (now - looked_ < tls_.check) return current_;
  looked_ = now;
  try {
    Pem pem = ReadAll(tls_);
    if (pem == *current_) return current_;
    current_ = std::make_shared<const Pem>(std::move(pem));
    log::Info("mtls_certificate_reloaded", {{"directory", tls_.directory}});
  } catch (const std::runtime_error& error) {
    log::Error("mtls_reload_failed", {{"reason", error.what()}});
  }
  return current_;
}

}  // namespace parley::rpc
