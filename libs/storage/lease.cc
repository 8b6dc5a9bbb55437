#include "libs/storage/lease.h"

#include <charconv>

namespace parley::storage {
namespace {

// Which lease of its process it is.
std::uint64_t NumberOf(std::string_view epoch) {
  const std::string_view digits = epoch.substr(ProcessOf(epoch).size());
  std::uint64_t number = 0;
  if (!digits.empty()) std::from_chars(digits.data() + 1, digits.data() + digits.size(), number);
  return number;
}

}  // namespace

// The braces are Redis Cluster's hash tag: all keys of an account are in one slot.
std::string SessionsKey(std::string_view bare_jid) {
  std::string key = "parley:s:{";
  key.reserve(key.size() + bare_jid.size() + 1);
  key += bare_jid;
  key += '}';
  return key;
}

std::string_view ProcessOf(std::string_view epoch) { return epoch.substr(0, epoch.rfind('.')); }

bool IsLater(std::string_view epoch, std::string_view than) {
  return ProcessOf(epoch) == ProcessOf(than) && NumberOf(epoch) > NumberOf(than);
}

std::string NodeSessionsKey(std::string_view instance, std::string_view epoch) {
  std::string key = "parley:n:";
  key.reserve(key.size() + instance.size() + 1 + epoch.size());
  key += instance;
  key += '/';
  key += epoch;
  return key;
}

}  // namespace parley::storage
