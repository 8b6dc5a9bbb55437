#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "bench/generator/client.h"
#include "bench/generator/options.h"
#include "bench/generator/stats.h"

namespace parley::bench {

class Scenario;

// One process of load: its share of the clients, and the scenario that they play. The coordinator says by words on a
// socket when to go, when to measure and when to end.
//   -> ready (all is set up)  <- go  <- begin  (-> done: a scenario that has an end)  <- end  -> report  <- quit
class Worker final : private Client::Owner, private Loop::Handler {
 public:
  // Users `from` to `to` (exclusive) of all.
  Worker(const Options& options, std::uint32_t from, std::uint32_t to, int control);
  ~Worker();
  void Run();

  // For scenarios.
  Loop& loop() { return loop_; }
  const Options& options() const { return options_; }
  Setting& setting() { return setting_; }
  Stats& stats() { return stats_; }
  std::vector<std::unique_ptr<Client>>& clients() { return clients_; }
  std::uint32_t from() const { return from_; }
  // Which address serves the `end`th client (0 or 1) of a pair, or simply client number n (pair n, end 0).
  Server& ServerFor(std::uint32_t pair, std::uint32_t end);
  // All clients, `concurrency` at a time; the scenario is told when the last is in.
  void LoginAll();
  void Report(std::string_view word);

 private:
  void OnEvents(std::uint32_t events) override;
  void OnLogin(Client& client) override;
  void OnRoster(Client& client, const Stanza& stanza) override;
  void OnStanza(Client& client, const Stanza& stanza) override;
  void OnEnd(Client& client, std::string_view why) override;
  void OnRegistered(Client& client) override;

  void StartMore();
  void Drain(Nanoseconds deadline);
  void SendReport();
  void Quit();
  double CpuSeconds() const;

  const Options options_;
  const std::uint32_t from_;
  const int control_;
  Loop loop_;
  Tls tls_;
  SaltedPasswords salted_;
  Setting setting_;
  Stats stats_;
  std::deque<Server> servers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Nanoseconds> started_;  // of each client's login
  std::unique_ptr<Scenario> scenario_;
  std::size_t next_ = 0;      // to log in
  std::size_t finished_ = 0;  // logged in, or failed to
  bool logging_in_ = false;
  bool quitting_ = false;
  double cpu_at_begin_ = 0;
  std::uint64_t tls_resumed_at_begin_ = 0;
};

}  // namespace parley::bench
