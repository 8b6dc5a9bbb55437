#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>

#include <map>
#include <memory>
#include <string>

#include "libs/rpc/security.h"

namespace parley::rpc {

// The gRPC side of Security.
struct Security::State {
  MutualTls tls;
  std::string token;
  std::map<std::string, Caller> callers;  // by their tokens' hashes
  // Watches the files; both kinds of credentials use what it has read last.
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> certificates;
  std::shared_ptr<grpc::ChannelCredentials> channel;
  std::shared_ptr<grpc::ServerCredentials> server;
};

// Each takes nullptr for a process without any security.
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsOf(const Security* security);
std::shared_ptr<grpc::ServerCredentials> ServerCredentialsOf(const Security* security);
// The peer that is dialled must be a `service`.
void ExpectPeer(const Security* security, const std::string& service, grpc::ChannelArguments& arguments);
void ShowToken(const Security* security, grpc::ClientContext& context);
Caller CallerOf(const Security* security, const grpc::ServerContextBase& context);

}  // namespace parley::rpc
