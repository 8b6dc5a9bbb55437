#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/rpc/security.h"
#include "services/ctl/options.h"

namespace parley::ctl {

// Who the operator is, from the command line, the environment and the configuration; once, before the first Connect().
// Throws Failure.
void TakeIdentity(const Options& options);

// How to show it, best first: by a certificate and, while the cluster is being changed over (mtls.mode), in the clear.
std::vector<std::shared_ptr<const rpc::Security>> Ways();
// A channel that shows it, to a `service` ("router", "roster service") that has to prove that it is one.
std::shared_ptr<grpc::Channel> ChannelTo(const std::string& target, const std::string& service,
                                         const rpc::Security& way);

}  // namespace parley::ctl
