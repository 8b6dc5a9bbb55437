// Makes the rosters of scenario `presence` by the protocol: mutual subscriptions (RFC 6121 section 3). What an earlier run
// made, or left half made, is taken up from what the servers' rosters say.
#include <charconv>
#include <map>
#include <optional>
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
    if (done_ < total_) Watch();
  }

  void OnRoster(Client& client, const Stanza& roster) override { Learn(client, roster); }

  // The one asked agrees and asks back; the first agrees. A pair is done when both rosters say so.
  void OnStanza(Client& client, const Stanza& stanza) override {
    if (stanza.name == "iq" && stanza.Attribute("type") == "set") return Learn(client, stanza);
    if (stanza.name != "presence") return;
    const std::string_view type = stanza.Attribute("type");
    if (type == "error") ++worker_.stats().refused;
    if (type != "subscribe") return;
    const std::string from(stanza.Attribute("from"));
    Say(client, from, "subscribed");
    if (Asked(client, from)) Say(client, from, "subscribe");
  }

 private:
  // Who asks first, and who is asked.
  using Pair = std::pair<std::uint32_t, std::uint32_t>;
  struct Attempt {
    Nanoseconds began;
    int number;
  };
  // What the server's roster of one says of the other.
  struct Side {
    bool to = false;
    bool both = false;
  };

  Side& SideOf(std::uint32_t user, std::uint32_t slot) {
    if (sides_.empty()) sides_.resize(worker_.clients().size() * circle_.contacts());
    return sides_[std::size_t{user} * circle_.contacts() + slot];
  }

  // Nothing where they are to be no contacts.
  Side* SideOf(const Client& client, std::string_view other) {
    const auto number = IndexOf(other);
    const auto slot = number ? circle_.SlotOf(client.index, *number) : std::nullopt;
    return slot ? &SideOf(client.index, *slot) : nullptr;
  }

  // Whether `client` is the one that is asked first, and has not got what it would ask for.
  bool Asked(const Client& client, std::string_view from) {
    const Side* side = SideOf(client, from);
    return side != nullptr && !side->to && *circle_.SlotOf(*IndexOf(from), client.index) < circle_.contacts() / 2;
  }

  std::optional<std::uint32_t> IndexOf(std::string_view jid) const {
    const Options& options = worker_.options();
    if (!jid.starts_with(options.user_prefix)) return std::nullopt;
    std::uint32_t number = 0;
    std::from_chars(jid.data() + options.user_prefix.size(), jid.data() + jid.size(), number);
    const std::uint32_t index = number - options.first - worker_.from();
    return index < worker_.clients().size() ? std::optional(index) : std::nullopt;
  }

  // From a roster, or a push of one item.
  void Learn(Client& client, const Stanza& roster) {
    constexpr std::string_view kItem = "<item ";
    for (std::size_t at = 0; (at = roster.text.find(kItem, at)) != std::string_view::npos; at += kItem.size()) {
      const Stanza item{roster.text.substr(at), "item"};
      const std::string_view jid = item.Attribute("jid");
      Side* side = SideOf(client, jid);
      if (side == nullptr) continue;
      const std::string_view subscription = item.Attribute("subscription");
      *side = {.to = subscription == "to" || subscription == "both", .both = subscription == "both"};
      if (side->both) Settle(client.index, *IndexOf(jid));
    }
  }

  bool Done(const Pair& pair) {
    const auto& [user, contact] = pair;
    return SideOf(user, *circle_.SlotOf(user, contact)).both && SideOf(contact, *circle_.SlotOf(contact, user)).both;
  }

  void Settle(std::uint32_t one, std::uint32_t other) {
    for (const Pair& pair : {Pair{one, other}, Pair{other, one}}) {
      if (!under_way_.contains(pair) || !Done(pair)) continue;
      worker_.stats().Deliver(0);
      Finish(pair);
    }
  }

  void Finish(const Pair& pair) {
    under_way_.erase(pair);
    CountDone();
    Next();
  }

  void CountDone() {
    if (++done_ == total_) worker_.Report("done");
  }

  void Next() {
    while (started_ < total_) {
      const Pair pair = Following();
      if (Done(pair)) {
        CountDone();
      } else if (!Online(pair)) {
        ++worker_.stats().lost;
        CountDone();
      } else {
        under_way_[pair] = {Now(), 1};
        return Try(pair, 1);
      }
    }
  }

  Pair Following() {
    const auto count = static_cast<std::uint32_t>(worker_.clients().size());
    const auto user = static_cast<std::uint32_t>(started_) % count;
    const auto distance = static_cast<std::uint32_t>(started_) / count + 1;
    ++started_;
    return {user, circle_.After(user, distance)};
  }

  bool Online(const Pair& pair) const {
    return worker_.clients()[pair.first]->online() && worker_.clients()[pair.second]->online();
  }

  // ejabberd loses one of some thousand when they cross, and a run that was cut off leaves what no later request mends.
  void Try(const Pair& pair, int number) {
    const auto& [user, contact] = pair;
    if (number == kAnew) {
      Forget(user, contact);
      return Forget(contact, user);
    }
    const bool asked = Ask(user, contact);
    if (!asked || number > 1) Ask(contact, user);
  }

  void Watch() {
    worker_.loop().At(Now() + kPatience / 3, [this] {
      std::vector<Pair> lost;
      for (auto& [pair, attempt] : under_way_) {
        if (Now() - attempt.began < kPatience) continue;
        if (attempt.number == kAttempts || !Online(pair)) {
          lost.push_back(pair);
          continue;
        }
        attempt = {Now(), attempt.number + 1};
        Try(pair, attempt.number);
      }
      worker_.stats().lost += lost.size();
      for (const Pair& pair : lost) Finish(pair);
      if (done_ < total_) Watch();
    });
  }

  // False: it has what it would ask for.
  bool Ask(std::uint32_t user, std::uint32_t contact) {
    if (SideOf(user, *circle_.SlotOf(user, contact)).to) return false;
    Say(*worker_.clients()[user], worker_.clients()[contact]->bare(), "subscribe");
    return true;
  }

  void Forget(std::uint32_t user, std::uint32_t contact) {
    ++worker_.stats().sent;
    worker_.clients()[user]->Send("<iq type='set' id='forget'><query xmlns='jabber:iq:roster'><item jid='" +
                                  worker_.clients()[contact]->bare() + "' subscription='remove'/></query></iq>");
  }

  void Say(Client& client, std::string_view to, std::string_view type) {
    ++worker_.stats().sent;
    std::string text = "<presence to='";
    text.append(to).append("' type='").append(type).append("'/>");
    client.Send(text);
  }

  static constexpr Nanoseconds kPatience = 3'000'000'000;
  static constexpr int kAnew = 3;  // the attempt that removes what there is
  static constexpr int kAttempts = 5;

  Worker& worker_;
  const Circle circle_;
  std::vector<Side> sides_;  // of each user, its contacts
  std::map<Pair, Attempt> under_way_;
  std::size_t total_ = 0;
  std::size_t started_ = 0;
  std::size_t done_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> MakeContacts(Worker& worker) { return std::make_unique<Contacts>(worker); }

}  // namespace parley::bench
