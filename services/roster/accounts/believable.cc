#include "services/roster/accounts/believable.h"

#include "libs/xmpp/scram_crypto.h"

namespace parley::roster {
namespace {

constexpr std::uint64_t kLeastShare = 16;  // one sixteenth
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kSha1Bytes = 20;
constexpr std::size_t kSha256Bytes = 32;

std::string Derived(std::string_view secret, std::string_view purpose, std::string_view hash, std::string_view jid,
                    std::size_t size) {
  const std::string text = std::string(purpose).append("\n").append(hash).append("\n").append(jid);
  // Not OpenSSL's HMAC(), which looks the algorithm up by name each time: seven of these are made at each login.
  return xmpp::scram::Hmac(xmpp::scram::Hash::kSha256, secret, text).substr(0, size);
}

// From 0 to 1.
double PositionOf(std::string_view secret, std::string_view jid) {
  std::uint64_t number = 0;
  for (const unsigned char byte : Derived(secret, "iterations", "", jid, 6)) number = number << 8 | byte;
  return static_cast<double>(number) / static_cast<double>(std::uint64_t{1} << 48);
}

}  // namespace

std::uint32_t BelievableIterations(std::string_view secret, std::string_view jid, IterationCounts of_host,
                                   std::uint32_t current) {
  std::uint64_t total = 0;
  for (const auto& [iterations, accounts] : of_host) total += accounts;
  auto& with_current = of_host[current];
  const std::uint64_t least = total / kLeastShare + 1;
  if (with_current < least) {
    total += least - with_current;
    with_current = least;
  }
  double before = PositionOf(secret, jid) * static_cast<double>(total);
  for (const auto& [iterations, accounts] : of_host) {
    before -= static_cast<double>(accounts);
    if (before < 0) return iterations;
  }
  return current;
}

ScramKeys BelievableKeys(std::string_view secret, std::string_view jid, std::uint32_t iterations) {
  ScramKeys all;
  for (const auto hash : {xmpp::scram::Hash::kSha1, xmpp::scram::Hash::kSha256}) {
    const std::string name = std::string(xmpp::scram::HashName(hash)) + " " + std::to_string(iterations);
    const auto size = hash == xmpp::scram::Hash::kSha1 ? kSha1Bytes : kSha256Bytes;
    xmpp::scram::Keys keys;
    keys.hash = hash;
    keys.iterations = iterations;
    keys.salt = Derived(secret, "salt", name, jid, kSaltBytes);
    keys.stored_key = Derived(secret, "stored", name, jid, size);
    keys.server_key = Derived(secret, "server", name, jid, size);
    all.push_back(std::move(keys));
  }
  return all;
}

}  // namespace parley::roster
