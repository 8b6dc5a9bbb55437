#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libs/base/log.h"

// Single values: from the text of a file or command line to a field, and back for the reference.
namespace parley::config {

// What is wrong with a configuration and what to do about it, in one line.
class Problem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Field = std::variant<std::string*, bool*, int*, std::uint16_t*, std::uint32_t*, std::uint64_t*, double*,
                           std::chrono::milliseconds*, std::chrono::seconds*, std::vector<std::string>*, log::Level*>;

// What a field takes. `min` and `max`: the number, bytes or milliseconds.
struct Rule {
  enum class Kind {
    kText,
    kFlag,
    kNumber,
    kBytes,
    kDuration,
    kChoice,
    kAddress,
    kDomain,
    kFile,
    kName,
    kNetwork,
    kShare
  };
  Kind kind = Kind::kText;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::vector<std::string_view> choices;
};

Rule Text();
Rule Flag();
Rule Number(std::int64_t min, std::int64_t max);
Rule Bytes(std::int64_t min, std::int64_t max);                               // "256KiB", 262144
Rule Duration(std::chrono::milliseconds min, std::chrono::milliseconds max);  // "500ms", "30s", "2m"
Rule Choice(std::vector<std::string_view> choices);
Rule Address();  // "host:port", "[::1]:port"
Rule Domain();
Rule File();
Rule Name();     // of an instance: becomes part of keys
Rule Share();    // from 0 to 1
Rule Network();  // "10.0.0.0/8", "2001:db8::/32", "192.0.2.1"

// Throw Problem without a location.
void Assign(const Field& field, const Rule& rule, const std::string& text);
void Assign(const Field& field, const Rule& rule, const std::vector<std::string>& texts);
bool IsList(const Field& field);

std::string Print(const Field& field, const Rule& rule);  // as it would be written in YAML
std::string PrintType(const Field& field, const Rule& rule);
std::string PrintRange(const Rule& rule);  // "" if there is none to tell

}  // namespace parley::config
