#include "libs/base/ids.h"

#include <openssl/rand.h>

#include <array>
#include <cstdlib>

namespace parley {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kLength = 15;  // fits a std::string without allocation

}  // namespace

std::string RandomId() {
  std::array<unsigned char, kLength> bytes;
  // Without a strong generator nothing that we promise holds.
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) std::abort();
  std::string id(kLength, '\0');
  for (std::size_t i = 0; i < kLength; ++i) id[i] = kAlphabet[bytes[i] & 63];
  return id;
}

std::uint64_t StableHash(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ seed;  // FNV-1a
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;  // splitmix64's finaliser: FNV's high bits are weak
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

}  // namespace parley
