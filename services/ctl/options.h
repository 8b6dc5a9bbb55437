#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace parley::ctl {

// What the command line asks for.
struct Options {
  std::string config_file;
  std::vector<std::string> routers;
  std::vector<std::string> rosters;
  std::string identity;    // directory with tls.crt, tls.key and ca.crt
  std::string token_file;  // of the token that is shown without mutual TLS
  bool json = false;

  std::string command;  // "user add", "sessions list", "members", ...
  std::string jid;
  std::optional<std::string> password;
  std::string domain;
  std::string file;
  std::uint32_t limit = 0;
  std::string instance;
  std::string network;
  std::uint64_t seconds = 0;
};

// Exits by itself for --help and for mistakes (status 2).
Options ParseCommandLine(int argc, char** argv);

}  // namespace parley::ctl
