#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/rpc/identity_files.h"
#include "libs/rpc/security.h"
#include "libs/rpc/server_certificates.h"

namespace parley::rpc {

// The gRPC side of Security.
struct Security::State {
  MutualTls tls;
  std::string token;
  std::map<std::string, Caller> callers;  // by their tokens' hashes
  std::shared_ptr<IdentityFiles> files;
  std::shared_ptr<const Security> in_the_clear;
  // Of the files as they were when the last channel was made. Loop's thread only.
  std::shared_ptr<const IdentityFiles::Pem> channel_files;
  std::shared_ptr<grpc::ChannelCredentials> channel;
  // Those that servers fetch certificates from; a server keeps its Security.
  std::vector<std::unique_ptr<ServerCertificates>> servers;
};

// Each takes nullptr for a process without any security.
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsOf(const Security* security);
std::shared_ptr<grpc::ServerCredentials> ServerCredentialsOf(const Security* security);
// The peer that is dialled must be a `service`.
void ExpectPeer(const Security* security, const std::string& service, grpc::ChannelArguments& arguments);
void ShowToken(const Security* security, grpc::ClientContext& context);
Caller CallerOf(const Security* security, const grpc::ServerContextBase& context);

}  // namespace parley::rpc
