// Every client pings the server (XEP-0199).
#include <algorithm>

#include "bench/generator/mark.h"
#include "bench/generator/scenario_types.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

class Iq final : public Scenario {
 public:
  explicit Iq(Worker& worker) : worker_(worker) {}

  void Start() override {
    running_ = true;
    flows_.resize(worker_.clients().size());
    for (auto& client : worker_.clients()) {
      for (std::uint32_t k = 0; k < worker_.options().window; ++k) Ping(*client);
    }
  }

  void OnStanza(Client& client, const Stanza& stanza) override {
    if (stanza.name != "iq") return;
    const auto mark = Mark::Find(stanza.Attribute("id"));
    if (!mark) return;
    if (stanza.Attribute("type") != "result") ++worker_.stats().refused;
    if (mark->flow != client.index) return worker_.stats().Fail("an answer reached the wrong client");
    if (!flows_[client.index].Arrive(mark->number, worker_.stats())) return;
    worker_.stats().Deliver(Now() - mark->due);
    if (running_) Ping(client);
  }

  void Stop() override { running_ = false; }
  bool Settled() const override {
    return std::ranges::all_of(flows_, [](const Flow& flow) { return flow.settled(); });
  }
  void CountLost() override {
    for (const Flow& flow : flows_) flow.CountLost(worker_.stats());
  }

 private:
  void Ping(Client& client) {
    if (!client.online()) return;
    ++worker_.stats().sent;
    client.Send("<iq type='get' to='" + worker_.options().domain + "' id='" +
                Mark{client.index, flows_[client.index].Next(), Now()}.ToString() +
                "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }

  Worker& worker_;
  std::vector<Flow> flows_;
  bool running_ = false;
};

}  // namespace

std::unique_ptr<Scenario> MakeIq(Worker& worker) { return std::make_unique<Iq>(worker); }

}  // namespace parley::bench
