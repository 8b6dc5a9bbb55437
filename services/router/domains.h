#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libs/config/config.h"

namespace parley::router {

// The domains that this cluster serves.
class Domains {
 public:
  explicit Domains(const std::vector<config::Host>& hosts);
  bool Serves(std::string_view domain) const { return Find(domain) != nullptr; }
  const config::Host* Find(std::string_view domain) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, config::Host, Hash, std::equal_to<>> hosts_;
};

}  // namespace parley::router
