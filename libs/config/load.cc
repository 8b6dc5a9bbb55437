#include <getopt.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "libs/base/version.h"
#include "libs/config/parse.h"

namespace parley::config {
namespace {

constexpr char kDefaultFile[] = "/etc/parley/parley.yaml";
constexpr int kUsageError = 2;

struct CommandLine {
  std::string file = kDefaultFile;
  std::vector<std::string> overrides;
  bool check_only = false;
};

void PrintHelp(const std::string& service) {
  std::cout << "parley-" << service << " " << Version() << "\n\n"
            << "  --config FILE             configuration (default: " << kDefaultFile << ")\n"
            << "  --set KEY=VALUE           overrides one key; can be repeated\n"
            << "  --instance NAME           the same as --set cluster.instance=NAME\n"
            << "  --check-config            checks the configuration and the files it names, then exits\n"
            << "  --print-config-reference  prints all keys as Markdown, then exits\n"
            << "  --version, --help\n";
}

[[noreturn]] void Finish(const std::string& text) {
  std::cout << text << std::flush;
  std::exit(EXIT_SUCCESS);
}

CommandLine ReadCommandLine(int argc, char** argv, const std::string& service) {
  static constexpr option kOptions[] = {{"config", required_argument, nullptr, 'c'},
                                        {"set", required_argument, nullptr, 's'},
                                        {"instance", required_argument, nullptr, 'i'},
                                        {"check-config", no_argument, nullptr, 'k'},
                                        {"print-config-reference", no_argument, nullptr, 'r'},
                                        {"version", no_argument, nullptr, 'v'},
                                        {"help", no_argument, nullptr, 'h'},
                                        {nullptr, 0, nullptr, 0}};
  CommandLine line;
  optind = 1;
  opterr = 0;
  for (int option; (option = getopt_long(argc, argv, ":c:s:i:h", kOptions, nullptr)) != -1;) {
    switch (option) {
      case 'c':
        line.file = optarg;
        break;
      case 's':
        line.overrides.emplace_back(optarg);
        break;
      case 'i':
        line.overrides.push_back("cluster.instance=" + std::string(optarg));
        break;
      case 'k':
        line.check_only = true;
        break;
      case 'r':
        Finish(ReferenceMarkdown());
      case 'v':
        Finish("parley-" + service + " " + Version() + "\n");
      case 'h':
        PrintHelp(service);
        Finish("");
      case ':':
        throw Problem(std::string(argv[optind - 1]) + " needs a value; --help tells more");
      default:
        throw Problem("unknown option '" + std::string(argv[optind - 1]) + "'; --help lists all");
    }
  }
  if (optind < argc) throw Problem("unexpected '" + std::string(argv[optind]) + "'; --help lists all options");
  return line;
}

std::string ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) throw Problem(file + ": cannot be read; name the configuration with --config FILE");
  return text;
}

Config Load(const CommandLine& line, const std::string& service) {
  Parsed parsed = ParseAll(line.file, ReadFile(line.file), line.overrides);
  CheckService(parsed, service);
  if (line.check_only) {
    CheckFiles(parsed);
    Finish(line.file + ": ok\n");
  }
  parsed.config.log.service = service;
  parsed.config.admin.key = service + ".admin";
  parsed.config.log.instance = parsed.config.cluster.instance;
  return std::move(parsed.config);
}

}  // namespace

Config LoadOrExit(int argc, char** argv, const std::string& service) {
  try {
    Config config = Load(ReadCommandLine(argc, argv, service), service);
    log::Init(config.log);
    return config;
  } catch (const Problem& problem) {
    std::cerr << "parley-" << service << ": " << problem.what() << std::endl;
    std::exit(kUsageError);
  }
}

}  // namespace parley::config
