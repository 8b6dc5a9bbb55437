#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "bench/generator/client.h"

namespace parley::bench {

class Worker;

// What clients do. One object per process of load; it sees all of that process's clients.
class Scenario {
 public:
  virtual ~Scenario() = default;
  // Whether the clients log in before it starts.
  virtual bool NeedsClients() const { return true; }
  virtual void Start() = 0;
  // A client logged in (again) while the scenario ran. `took`: nanoseconds since it began.
  virtual void OnLogin(Client&, Nanoseconds) {}
  virtual void OnRegistered(Client&, Nanoseconds) {}
  // What the server answered at a login.
  virtual void OnRoster(Client&, const Stanza&) {}
  // Called when LoginAll() that it asked for is through.
  virtual void OnAllIn() {}
  // A login or stream failed. True: that belongs to the scenario, which sees to it; else it is counted.
  virtual bool ExpectsEnd(Client&) { return false; }
  // It was counted.
  virtual void OnFailed(Client&) {}
  virtual void OnStanza(Client& client, const Stanza& stanza) = 0;
  // Send no more; what is under way may arrive.
  virtual void Stop() {}
  virtual bool Settled() const { return true; }
  // After the drain: what has not come is lost.
  virtual void CountLost() {}
};

std::unique_ptr<Scenario> MakeScenario(std::string_view name, Worker& worker);

// What the coordinator must know of a scenario.
struct Shape {
  std::string_view unit;   // what is counted
  std::uint32_t together;  // users that must be in one process
  bool timed;              // runs until told to stop; else it says when it is done
};
Shape ShapeOf(std::string_view name, std::uint32_t group);

}  // namespace parley::bench
