#include "libs/storage/lease.h"

namespace parley::storage {

// The braces are Redis Cluster's hash tag: all keys of an account are in one slot.
std::string SessionsKey(std::string_view bare_jid) {
  std::string key = "parley:s:{";
  key.reserve(key.size() + bare_jid.size() + 1);
  key += bare_jid;
  key += '}';
  return key;
}

std::string_view ProcessOf(std::string_view epoch) { return epoch.substr(0, epoch.rfind('.')); }

std::string NodeSessionsKey(std::string_view instance, std::string_view epoch) {
  std::string key = "parley:n:";
  key.reserve(key.size() + instance.size() + 1 + epoch.size());
  key += instance;
  key += '/';
  key += epoch;
  return key;
}

}  // namespace parley::storage
