#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "libs/rpc/security.h"

namespace parley::rpc {

// A certificate, its key and the authorities, as they were when last read whole: files that are missing, half written
// or do not belong together are reported, and the former ones stay.
// Thread-safe.
class IdentityFiles {
 public:
  struct Pem {
    std::string certificate;
    std::string key;
    std::string authorities;
    bool operator==(const Pem&) const = default;
  };

  // Throws std::runtime_error that names the file.
  explicit IdentityFiles(MutualTls tls);
  // Looks at the files if that is due.
  std::shared_ptr<const Pem> Current();

 private:
  using Clock = std::chrono::steady_clock;

  const MutualTls tls_;
  std::mutex mutex_;
  std::shared_ptr<const Pem> current_;
  Clock::time_point looked_;
};

}  // namespace parley::rpc
