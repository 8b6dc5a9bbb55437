// The stream scanner against expat: whatever it accepts, expat accepts with the same meaning, and the other way round
// within XMPP's subset.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/scanner_differential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static parley::xml::ScannerDifferential differential;
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  std::string problem = differential.Check(document);
  if (problem.empty()) problem = differential.CheckByteByByte(document);
  if (problem.empty()) return 0;
  std::fprintf(stderr, "%s\n%.*s\n", problem.c_str(), static_cast<int>(size), document.data());
  std::abort();
}
