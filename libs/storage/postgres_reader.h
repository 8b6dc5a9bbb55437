#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/storage/postgres.h"

namespace parley::storage {

// A statement on its way.
struct PostgresRead {
  const Statement* statement = nullptr;
  std::vector<std::string> parameters;
  Postgres::ReadDone done;
  std::chrono::steady_clock::time_point asked = std::chrono::steady_clock::now();
  int runs = 0;
};

// A connection that only reads, on the loop, for one life: connects, takes the session's settings, then pipelines until
// it breaks. What is sent together is answered together; if a statement fails, those that were sent with it and behind
// it have not been run.
class PostgresReader {
 public:
  using Reads = std::deque<PostgresRead>;
  struct Events {
    std::function<void()> ready;
    std::function<void(PostgresRead read, Result<Rows> rows)> answered;
    std::function<void(Reads reads)> not_run;  // behind one that failed
    std::function<void()> idle;                // all that has come is handled
    // Once, and nothing after it.
    std::function<void(std::string reason, Reads unanswered)> closed;
  };

  PostgresReader(Loop& loop, const PostgresOptions& options, Events events);
  // Silent: what is in flight is forgotten. Waits for an attempt to connect.
  ~PostgresReader();

  // Only when it is ready. No event comes from inside.
  void Send(Reads reads);
  bool ready() const;
  std::size_t in_flight() const;
  // The server owes an answer for so long (and the loop has looked for it).
  bool Silent(std::chrono::steady_clock::duration limit);
  void Close(const std::string& reason);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace parley::storage
