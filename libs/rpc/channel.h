#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "libs/rpc/link.h"

namespace parley::rpc {

// Settings that both ends share: pings that find a dead peer, and none of gRPC's own retrying and tuning.
void SetServerArguments(const LinkOptions& options, grpc::ServerBuilder& builder);
// A fresh connection to "ip:port" or "host:port", where a `service` is; it is not shared, and its state goes with it.
std::shared_ptr<grpc::Channel> MakeChannel(const LinkOptions& options, const std::string& address,
                                           const std::string& service);

}  // namespace parley::rpc
