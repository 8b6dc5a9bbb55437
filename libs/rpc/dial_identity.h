#pragma once

#include <memory>
#include <string>

#include "libs/rpc/identity_files.h"
#include "libs/rpc/security.h"

namespace parley::rpc {

// What a connection that this process makes shows and expects.
struct DialIdentity {
  std::shared_ptr<const IdentityFiles::Pem> files;  // nullptr: in the clear
  std::string peer_name;                            // of the peer's certificate
  std::string authorization;                        // HTTP header field; empty: none
};

// `security` may be nullptr. The peer must be a `service`.
DialIdentity IdentityToDial(const Security* security, const std::string& service);

}  // namespace parley::rpc
