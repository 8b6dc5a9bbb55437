#include "services/ctl/targets.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "libs/config/config.h"
#include "services/ctl/failure.h"

namespace parley::ctl {
namespace {

constexpr char kDefaultFile[] = "/etc/parley/parley.yaml";

std::string FileOf(const Options& options) { return options.config_file.empty() ? kDefaultFile : options.config_file; }

config::Config ConfigOf(const Options& options) {
  const std::string file = FileOf(options);
  std::ifstream in(file, std::ios::binary);
  const std::string yaml{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) {
    throw Failure(kUsage, file + " cannot be read: say where the cluster is, with --config FILE or with " +
                              "--router HOST:PORT and --roster HOST:PORT");
  }
  try {
    return config::Parse(yaml);
  } catch (const std::runtime_error& error) {
    throw Failure(kUsage, file + ": " + error.what());
  }
}

// Without a file, the defaults: the cluster may be given on the command line.
config::Config ConfigIfAny(const Options& options) {
  const bool wanted = !options.config_file.empty() || std::filesystem::exists(FileOf(options));
  return wanted ? ConfigOf(options) : config::Config();
}

std::vector<std::string> Known(const std::vector<std::string>& targets, const std::string& key,
                               const std::string& option) {
  if (!targets.empty()) return targets;
  throw Failure(kUsage, key + " is empty in the configuration: name one with " + option + " HOST:PORT");
}

}  // namespace

std::vector<std::string> Routers(const Options& options) {
  if (!options.routers.empty()) return options.routers;
  return Known(ConfigOf(options).cluster.routers, "cluster.routers", "--router");
}

std::vector<std::string> Rosters(const Options& options) {
  if (!options.rosters.empty()) return options.rosters;
  return Known(ConfigOf(options).cluster.rosters, "cluster.rosters", "--roster");
}

config::Config Configuration(const Options& options) { return ConfigOf(options); }

rpc::MutualTls MutualTlsOf(const Options& options) { return ConfigIfAny(options).mtls; }

}  // namespace parley::ctl
