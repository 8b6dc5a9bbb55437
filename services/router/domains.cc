#include "services/router/domains.h"

namespace parley::router {

Domains::Domains(const std::vector<config::Host>& hosts) {
  for (const auto& host : hosts) hosts_.emplace(host.domain, host);
}

const config::Host* Domains::Find(std::string_view domain) const {
  const auto found = hosts_.find(domain);
  return found == hosts_.end() ? nullptr : &found->second;
}

}  // namespace parley::router
