#include "libs/rpc/server_certificates.h"

#include <grpc/grpc.h>

#include <string>

namespace parley::rpc {
namespace {

// gRPC's C++ interface has no credentials that are fetched; its C interface has.
class FetchedCredentials final : public grpc::ServerCredentials {
 public:
  explicit FetchedCredentials(grpc_server_credentials* credentials) : credentials_(credentials) {}
  ~FetchedCredentials() override { grpc_server_credentials_release(credentials_); }
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* credentials_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ServerCertificates::MakeCredentials() {
  auto* options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, &ServerCertificates::Fetch, this);
  return std::make_shared<FetchedCredentials>(grpc_ssl_server_credentials_create_with_options(options));
}

grpc_ssl_certificate_config_reload_status ServerCertificates::Fetch(void* self,
                                                                    grpc_ssl_server_certificate_config** config) {
  auto& certificates = *static_cast<ServerCertificates*>(self);
  auto current = certificates.files_->Current();
  if (current == certificates.shown_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair{current->key.c_str(), current->certificate.c_str()};
  *config = grpc_ssl_server_certificate_config_create(current->authorities.c_str(), &pair, 1);
  certificates.shown_ = std::move(current);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace parley::rpc
