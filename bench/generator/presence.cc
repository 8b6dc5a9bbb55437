// Presence broadcasts over real rosters: each user has `window` broadcasts under way, the next leaves when all contacts
// have one more.
#include <algorithm>

#include "bench/generator/circle.h"
#include "bench/generator/mark.h"
#include "bench/generator/scenario_types.h"
#include "bench/generator/stats.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

class Presence final : public Scenario {
 public:
  explicit Presence(Worker& worker) : worker_(worker), circle_(worker.options().group, worker.options().contacts) {}

  void Start() override {
    running_ = true;
    const std::size_t count = worker_.clients().size();
    users_.resize(count);
    flows_.resize(count * circle_.contacts());
    for (auto& client : worker_.clients()) {
      for (std::uint32_t k = 0; k < worker_.options().window; ++k) Broadcast(*client);
    }
  }

  void OnStanza(Client& client, const Stanza& stanza) override {
    if (stanza.name != "presence" || users_.empty()) return;
    const auto mark = Mark::Find(stanza.Text("status"));
    if (!mark || mark->flow == client.index) return;  // the own one comes back, too (RFC 6121 4.2.2)
    const auto slot = circle_.SlotOf(client.index, mark->flow);
    if (!slot) return worker_.stats().Fail("presence reached a stranger");
    PresenceFlow& flow = flows_[client.index * circle_.contacts() + *slot];
    if (!flow.Arrive(mark->number, worker_.stats())) return;
    worker_.stats().Deliver(Now() - mark->due);
    User& sender = users_[mark->flow];
    if (++sender.arrived % circle_.contacts() == 0 && running_) Broadcast(*worker_.clients()[mark->flow]);
  }

  void Stop() override { running_ = false; }
  bool Settled() const override {
    return std::ranges::all_of(users_,
                               [this](const User& user) { return user.arrived == user.sent * circle_.contacts(); });
  }
  void CountLost() override {
    for (const User& user : users_) worker_.stats().lost += user.sent * circle_.contacts() - user.arrived;
  }

 private:
  struct User {
    std::uint64_t sent = 0;
    std::uint64_t arrived = 0;
  };

  void Broadcast(Client& client) {
    if (!client.online()) return;
    ++worker_.stats().sent;
    const auto number = static_cast<std::uint32_t>(++users_[client.index].sent);
    client.Send("<presence><status>" + Mark{client.index, number, Now()}.ToString() + "</status></presence>");
  }

  Worker& worker_;
  const Circle circle_;
  std::vector<User> users_;
  std::vector<PresenceFlow> flows_;  // what each user sees of each contact
  bool running_ = false;
};

}  // namespace

std::unique_ptr<Scenario> MakePresence(Worker& worker) { return std::make_unique<Presence>(worker); }

}  // namespace parley::bench
