#include "libs/rpc/methods.h"

#include <algorithm>

#include "libs/rpc/frame_transport.h"

namespace parley::rpc {

bool Permission::Allows(const Caller& caller) const {
  if (caller.role == kAnyone || caller.role == kAdmin) return true;
  // A token does not say which service has it.
  if (caller.role == kService) {
    return std::any_of(roles.begin(), roles.end(), [](const std::string& role) { return role != kViewer; });
  }
  return roles.contains(caller.role);
}

void Methods::PermitLinks(std::set<std::string> services) {
  Permit(kExchangeMethod, {Permission::Use::kLook, std::move(services)});
}

const Permission& Methods::PermissionFor(const std::string& path) const {
  static const Permission kAdministratorsOnly;
  const auto permission = permissions_.find(path);
  return permission == permissions_.end() ? kAdministratorsOnly : permission->second;
}

Methods::OnMessage Methods::Begin(const std::string& path) const {
  const auto method = methods_.find(path);
  return method == methods_.end() ? nullptr : method->second();
}

}  // namespace parley::rpc
