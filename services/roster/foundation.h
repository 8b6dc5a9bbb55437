#pragma once

#include <chrono>
#include <functional>
#include <pqxx/pqxx>
#include <set>
#include <string>

#include "libs/base/loop.h"
#include "libs/storage/postgres.h"

namespace parley::roster {

struct FoundationOptions {
  bool migrate = true;  // else the schema must be up to date already
  std::set<std::string> domains;
  std::chrono::milliseconds period{1000};
};

// What must be in the database before the service can work: the schema, the hosts, the cluster's secret. Returns the
// secret; throws if the schema is not what this program needs.
std::string LayFoundation(pqxx::connection& connection, const FoundationOptions& options);

// Lays the foundation as soon as PostgreSQL is there, and then goes on looking whether it still is.
class Foundation {
 public:
  Foundation(Loop& loop, storage::Postgres& postgres, FoundationOptions options,
             std::function<void(std::string secret)> laid);

  // For readiness: what is missing; empty if nothing is.
  std::string Missing() const;

 private:
  void Look();
  void Lay();
  void Probe();
  void Report(const Error* problem);

  storage::Postgres& postgres_;
  const FoundationOptions options_;
  std::function<void(std::string)> laid_;
  bool is_laid_ = false;
  bool looking_ = false;
  std::string problem_ = "not tried yet";
  Loop::Timer timer_;
};

}  // namespace parley::roster
