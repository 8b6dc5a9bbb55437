#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/generator/coordinator.h"

namespace parley::bench {

nlohmann::json ToJson(const Options& options, const Outcome& outcome);
std::string ToText(const nlohmann::json& report);

}  // namespace parley::bench
