#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/generator/client.h"

namespace parley::bench {

enum class Placement { kCross, kSame };

// The server's processes that are charged, under the name to show.
struct Watched {
  std::string name;
  std::vector<int> pids;  // and their descendants
};

// The command line. Defaults are those of the published figures where there is one.
struct Options {
  std::string scenario;
  std::vector<std::string> servers;  // HOST:PORT
  std::vector<Watched> processes;
  std::string domain = "localhost";
  std::string ca_file;  // empty: certificates are not verified
  std::string user_prefix = "bench";
  std::string password = "bench-password";
  std::string salted_cache;  // file of salted passwords, see SaltedPasswords
  Mechanism mechanism = Mechanism::kScramSha1;
  Security security = Security::kStartTls;
  Tls::Resumption tls_resumption = Tls::Resumption::kOff;
  Management management = Management::kOff;
  Protocol protocol = Protocol::kXmpp;

  std::uint32_t first = 0;  // number of the first user: prefix + number is its name
  std::uint32_t connections = 400;
  std::uint32_t concurrency = 16;  // logins under way
  int sources = 4;                 // 127.0.0.1 .. 127.0.0.N
  int processes_of_load = 1;

  Placement placement = Placement::kCross;
  std::uint32_t window = 1;
  double rate = 0;  // messages a second, 0: closed loop
  std::uint32_t body_bytes = 64;
  std::uint32_t contacts = 20;  // of each user
  std::uint32_t group = 50;     // users among whom they are
  std::uint32_t away = 5;       // messages sent to a client that is cut off
  bool elsewhere = false;       // it resumes at another address
  int kill = 0;                 // process id of the first address, for a storm

  double warmup = 1;
  double seconds = 4;
  double hold = 0;  // idle time after the logins
  double drain = 10;
  bool json = false;
};

// Exits with a message, or after --help.
Options ParseOptions(int argc, char** argv);

}  // namespace parley::bench
