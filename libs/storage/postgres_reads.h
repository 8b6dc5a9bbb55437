#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/storage/postgres.h"

namespace parley::storage {

// What Postgres::Read does: some connections on the loop, and what waits for them.
class PostgresReads {
 public:
  PostgresReads(Loop& loop, const PostgresOptions& options);
  ~PostgresReads();

  void Read(const Statement& statement, std::vector<std::string> parameters, Postgres::ReadDone done);
  void OnRead(std::function<void(std::chrono::steady_clock::duration)> answered);
  bool up() const;
  std::size_t connected() const;
  std::size_t queued() const;
  const PostgresCounters& counters() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace parley::storage
