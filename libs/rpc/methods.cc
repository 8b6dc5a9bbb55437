#include "libs/rpc/methods.h"

namespace parley::rpc {

Methods::OnMessage Methods::Begin(const std::string& path) const {
  const auto method = methods_.find(path);
  return method == methods_.end() ? nullptr : method->second();
}

}  // namespace parley::rpc
