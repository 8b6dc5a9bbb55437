#include <sstream>
#include <stdexcept>

#include "libs/rpc/security.h"

namespace parley::rpc {
namespace {

constexpr std::size_t kMinToken = 16;  // shorter ones can be guessed

}  // namespace

std::map<std::string, Caller> ParseTokens(const std::string& tokens) {
  std::map<std::string, Caller> callers;
  std::string lines = tokens;
  for (char& c : lines) {
    if (c == ';') c = '\n';
  }
  std::istringstream in(lines);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string place = "entry " + std::to_string(++number);
    std::istringstream words(line);
    std::string name, role, token, more;
    if (!(words >> name) || name.starts_with('#')) continue;
    if (!(words >> role >> token) || words >> more) throw std::runtime_error(place + ": write it as NAME ROLE TOKEN");
    if (role != kService && role != kAdmin && role != kViewer) {
      throw std::runtime_error(place + ": the role is none of service, admin and viewer");
    }
    if (token.size() < kMinToken) throw std::runtime_error(place + ": the token is shorter than 16 characters");
    if (!callers.emplace(token, Caller{role, name, {}}).second) {
      throw std::runtime_error(place + ": another has the same token");
    }
  }
  return callers;
}

}  // namespace parley::rpc
