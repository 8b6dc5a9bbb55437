#pragma once

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "libs/rpc/identity_files.h"

namespace parley::rpc {

// What one server shows to who connects, looked at for each handshake: links live on when it changes.
class ServerCertificates {
 public:
  explicit ServerCertificates(std::shared_ptr<IdentityFiles> files) : files_(std::move(files)) {}
  // Must not outlive this object, nor may the server that uses them.
  std::shared_ptr<grpc::ServerCredentials> MakeCredentials();

 private:
  static grpc_ssl_certificate_config_reload_status Fetch(void* self, grpc_ssl_server_certificate_config** config);

  std::shared_ptr<IdentityFiles> files_;
  std::shared_ptr<const IdentityFiles::Pem> shown_;  // under a lock of gRPC's
};

}  // namespace parley::rpc
