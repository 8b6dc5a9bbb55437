// A storm of logins, or of registrations.
#include "bench/generator/scenario_types.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

class Logins final : public Scenario {
 public:
  explicit Logins(Worker& worker) : worker_(worker) {}
  bool NeedsClients() const override { return false; }
  void Start() override { worker_.LoginAll(); }
  void OnLogin(Client&, Nanoseconds took) override { Count(took); }
  void OnRegistered(Client&, Nanoseconds took) override { Count(took); }
  void OnAllIn() override { worker_.Report("done"); }
  void OnStanza(Client&, const Stanza&) override {}

 private:
  void Count(Nanoseconds took) {
    ++worker_.stats().sent;
    worker_.stats().Deliver(took);
  }

  Worker& worker_;
};

}  // namespace

std::unique_ptr<Scenario> MakeLogin(Worker& worker) { return std::make_unique<Logins>(worker); }

}  // namespace parley::bench
