#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "libs/rpc/dial_identity.h"
#include "libs/rpc/http2.h"
#include "libs/rpc/identity_files.h"
#include "libs/rpc/security.h"

namespace parley::rpc {

// The TLS of one side, made anew when the files have changed. Thread-safe.
class CurrentTls {
 public:
  using Make = std::shared_ptr<const PipeTls> (*)(const IdentityFiles::Pem&);
  // Throws std::runtime_error if TLS cannot be made of the files as they are.
  CurrentTls(std::shared_ptr<IdentityFiles> files, Make make);
  // What cannot be used is logged, and the former stays.
  std::shared_ptr<const PipeTls> Get();

 private:
  std::shared_ptr<IdentityFiles> files_;
  const Make make_;
  std::mutex mutex_;
  std::shared_ptr<const IdentityFiles::Pem> used_;
  std::shared_ptr<const PipeTls> tls_;
};

struct Security::State {
  MutualTls tls;
  std::string token;
  std::map<std::string, Caller> callers;  // by their tokens' hashes
  // With mutual TLS alone.
  std::unique_ptr<CurrentTls> dialling;
  std::unique_ptr<CurrentTls> accepting;
  std::shared_ptr<const Security> in_the_clear;
};

// Each takes nullptr for a process without any security.
std::shared_ptr<const PipeTls> TlsToAccept(const Security* security);
Caller CallerOf(const Security* security, const Http2::Request& request);

}  // namespace parley::rpc
