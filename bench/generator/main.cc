#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "bench/generator/coordinator.h"
#include "bench/generator/report.h"

int main(int argc, char** argv) {
  using namespace parley::bench;
  const Options options = ParseOptions(argc, argv);
  try {
    const auto report = ToJson(options, Conduct(options));
    std::fputs(options.json ? (report.dump(2) + "\n").c_str() : ToText(report).c_str(), stdout);
    return report.at("ok") ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parley-bench: %s\n", error.what());
    return 2;
  }
}
