// Makes the rosters of scenario `presence` by the protocol: mutual subscriptions (RFC 6121 section 3).
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
      worker_.stats().Deliver(0);
      if (++done_ == total_) return worker_.Report("done");
      Next();
    }
  }

 private:
  // Whether `client` was the one that was asked first.
  bool Asked(const Client& client, std::string_view from) const {
    const auto& prefix = worker_.options().user_prefix;
    if (!from.starts_with(prefix)) return false;
    const auto number = std::strtoul(std::string(from.substr(prefix.size())).c_str(), nullptr, 10);
    const auto other = static_cast<std::uint32_t>(number) - worker_.options().first - worker_.from();
    const auto slot = circle_.SlotOf(other, client.index);
    return slot && *slot < circle_.contacts() / 2;
  }

  void Next() {
    if (started_ == total_) return;
    const auto count = static_cast<std::uint32_t>(worker_.clients().size());
    const auto user = static_cast<std::uint32_t>(started_) % count;
    const auto distance = static_cast<std::uint32_t>(started_) / count + 1;
    ++started_;
    Say(*worker_.clients()[user], worker_.clients()[circle_.After(user, distance)]->bare(), "subscribe");
  }

  void Say(Client& client, std::string_view to, std::string_view type) {
    ++worker_.stats().sent;
    std::string text = "<presence to='";
    text.append(to).append("' type='").append(type).append("'/>");
    client.Send(text);
  }

  Worker& worker_;
  const Circle circle_;
  std::size_t total_ = 0;
  std::size_t started_ = 0;
  std::size_t done_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> MakeContacts(Worker& worker) { return std::make_unique<Contacts>(worker); }

}  // namespace parley::bench
