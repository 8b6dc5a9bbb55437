#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/rpc/methods.h"

namespace parley::c2s::testing {

// The Accounts service over gRPC as the roster service gives it, with accounts in memory. Loop's thread only.
class FakeAccounts {
 public:
  FakeAccounts();
  ~FakeAccounts();
  rpc::Methods methods();

  void Add(const std::string& jid, const std::string& password);
  // As without PostgreSQL.
  void SetBroken(bool broken);
  // Questions wait for Answer() from now on.
  void Hold();
  void Answer();
  std::size_t waiting() const;
  bool Has(const std::string& jid) const;

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace parley::c2s::testing
