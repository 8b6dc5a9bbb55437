// Makes the rosters of scenario `presence` by the protocol: mutual subscriptions (RFC 6121 section 3).
#include <map>
#include <utility>
#include <vector>

#include "bench/generator/circle.h"
#include "bench/generator/scenario_types.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

class Contacts final : public Scenario {
 public:
  explicit Contacts(Worker& worker) : worker_(worker), circle_(worker.options().group, worker.options().contacts) {}

  void Start() override {
    total_ = worker_.clients().size() * circle_.contacts() / 2;
    for (std::uint32_t i = 0; i < worker_.options().concurrency; ++i) Next();
    Watch();
  }

  // The one asked agrees and asks back; the first agrees.
  void OnStanza(Client& client, const Stanza& stanza) override {
    if (stanza.name != "presence") return;
    const std::string_view type = stanza.Attribute("type");
    const std::string from(stanza.Attribute("from"));
    if (type == "error") ++worker_.stats().refused;
    if (type == "subscribe") {
      Say(client, from, "subscribed");
      if (Asked(client, from)) Say(client, from, "subscribe");
    } else if (type == "subscribed" && Asked(client, from)) {
      Finish({Number(from), client.index});
    }
  }

 private:
  // Who asked first, and who was asked.
  using Pair = std::pair<std::uint32_t, std::uint32_t>;
  struct Attempt {
    Nanoseconds began;
    int number;
  };

  std::uint32_t Number(std::string_view from) const {
    const auto number = std::strtoul(std::string(from.substr(worker_.options().user_prefix.size())).c_str(), nullptr, 10);
    return static_cast<std::uint32_t>(number) - worker_.options().first - worker_.from();
  }

  void Finish(const Pair& pair) {
    if (under_way_.erase(pair) == 0) return;
    worker_.stats().Deliver(0);
    if (++done_ == total_) return worker_.Report("done");
    Next();
  }

  // ejabberd loses one of some thousand when they cross.
  void Watch() {
    worker_.loop().At(Now() + kPatience, [this] {
      std::vector<Pair> lost;
      for (auto& [pair, attempt] : under_way_) {
        if (Now() - attempt.began < kPatience) continue;
        if (attempt.number == kAttempts) {
          lost.push_back(pair);
          continue;
        }
        attempt = {Now(), attempt.number + 1};
        Ask(pair.first, pair.second);
        Ask(pair.second, pair.first);
      }
      worker_.stats().lost += lost.size();
      for (const Pair& pair : lost) Finish(pair);
      if (done_ < total_) Watch();
    });
  }

  // Whether `client` was the one that was asked first.
  bool Asked(const Client& client, std::string_view from) const {
    const auto& prefix = worker_.options().user_prefix;
    if (!from.starts_with(prefix)) return false;
    const auto slot = circle_.SlotOf(Number(from), client.index);
    return slot && *slot < circle_.contacts() / 2;
  }

  void Next() {
    if (started_ == total_) return;
    const auto count = static_cast<std::uint32_t>(worker_.clients().size());
    const auto user = static_cast<std::uint32_t>(started_) % count;
    const auto distance = static_cast<std::uint32_t>(started_) / count + 1;
    ++started_;
    const auto contact = circle_.After(user, distance);
    under_way_[{user, contact}] = {Now(), 1};
    Ask(user, contact);
  }

  void Ask(std::uint32_t user, std::uint32_t contact) {
    Say(*worker_.clients()[user], worker_.clients()[contact]->bare(), "subscribe");
  }

  void Say(Client& client, std::string_view to, std::string_view type) {
    ++worker_.stats().sent;
    std::string text = "<presence to='";
    text.append(to).append("' type='").append(type).append("'/>");
    client.Send(text);
  }

  static constexpr Nanoseconds kPatience = 3'000'000'000;
  static constexpr int kAttempts = 3;

  Worker& worker_;
  std::map<Pair, Attempt> under_way_;
  const Circle circle_;
  std::size_t total_ = 0;
  std::size_t started_ = 0;
  std::size_t done_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> MakeContacts(Worker& worker) { return std::make_unique<Contacts>(worker); }

}  // namespace parley::bench
