#pragma once

#include <openssl/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace parley::test {

// A directory that goes with the test.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string Write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> xmpp_addresses;  // id-on-xmppAddr
  std::chrono::seconds valid_for = std::chrono::hours(24);
  bool rsa = false;  // otherwise ECDSA P-256
};

// PEM texts.
struct Certificate {
  std::string certificate;
  std::string key;
};

// A certificate authority of one test.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name = "Test CA");
  ~CertificateAuthority();
  const std::string& pem() const { return pem_; }
  Certificate Issue(const CertificateRequest& request) const;

 private:
  std::string pem_;
  std::shared_ptr<X509> certificate_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace parley::test
