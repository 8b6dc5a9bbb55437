// A hostile SCRAM client. The input's first byte chooses the mechanism, its first line is client-first, the rest
// client-final. Nobody gets in without the proof, which cannot be guessed.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "libs/xmpp/base64.h"
#include "libs/xmpp/scram.h"

namespace {

namespace scram = parley::xmpp::scram;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckBase64(std::string_view text) {
  const auto bytes = parley::xmpp::Base64Decode(text);
  if (bytes) Require(parley::xmpp::Base64Encode(*bytes) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const scram::Keys kKeys = scram::Derive(scram::Hash::kSha256, "a password that no fuzzer finds", "salt", 1);
  const bool plus = (data[0] & 1) != 0;
  const bool plus_offered = plus || (data[0] & 2) != 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t line = text.find('\n');
  const std::string_view first = text.substr(0, line);
  const std::string_view final = line == std::string_view::npos ? std::string_view{} : text.substr(line + 1);

  CheckBase64(final);
  scram::Server server(scram::Hash::kSha256, plus, plus_offered, {.exporter = "exporter", .end_point = "end point"});
  if (server.ClientFirst(first)) return 0;
  Require(!server.username().empty());
  Require(server.ServerFirst(kKeys, "nonce").starts_with("r="));
  const auto result = server.ClientFinal(final);
  Require(result.problem && result.message.empty());
  return 0;
}
