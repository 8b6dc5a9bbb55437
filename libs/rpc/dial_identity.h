#pragma once

#include <memory>
#include <string>

#include "libs/rpc/security.h"

namespace parley::rpc {

class PipeTls;

// What a connection that this process makes shows and expects.
struct DialIdentity {
  std::shared_ptr<const PipeTls> tls;  // nullptr: in the clear
  std::string peer_name;               // of the peer's certificate
  std::string authorization;           // HTTP header field; empty: none
};

// `security` may be nullptr. The peer must be a `service`.
DialIdentity IdentityToDial(const Security* security, const std::string& service);

}  // namespace parley::rpc
