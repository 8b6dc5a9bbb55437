// One-to-one chat. Closed loop: each conversation keeps `window` messages in flight, the next leaves when one arrives.
// Open loop: messages leave on a schedule, whatever the server does, and latency counts from when each was due.
#include <algorithm>
#include <random>
#include <string>
#include <string_view>

#include "bench/generator/mark.h"
#include "bench/generator/scenario_types.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

// Bodies: letters about as often as in English, in no order. They pack no better than what people say.
class Chatter {
 public:
  explicit Chatter(std::size_t bytes) : text_(bytes, ' ') {}

  const std::string& Next() {
    static constexpr std::string_view kLetters = "eeeeeettttaaaaooooiiiinnnnssshhhrrrrdddlluuccmmwwffggyyppbvk     ";
    static_assert(kLetters.size() >= 64);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < text_.size(); ++i, bits >>= 6) {
      if (i % 10 == 0) bits = random_();
      text_[i] = kLetters[bits % 64];
    }
    return text_;
  }

 private:
  std::mt19937_64 random_;
  std::string text_;
};

class Chat final : public Scenario {
 public:
  explicit Chat(Worker& worker) : worker_(worker), chatter_(worker.options().body_bytes) {}

  void Start() override {
    auto& clients = worker_.clients();
    talks_.resize(clients.size() / 2);
    for (std::size_t i = 0; i < talks_.size(); ++i) {
      talks_[i].from = clients[2 * i].get();
      talks_[i].to = clients[2 * i + 1].get();
    }
    running_ = true;
    if (worker_.options().rate > 0) return StartOpenLoop();
    for (std::uint32_t i = 0; i < talks_.size(); ++i) {
      for (std::uint32_t k = 0; k < worker_.options().window; ++k) Say(i, Now());
    }
  }

  void OnStanza(Client& client, const Stanza& stanza) override {
    if (stanza.name != "message") return;
    const auto mark = Mark::Find(stanza.Attribute("id"));
    if (!mark || mark->flow >= talks_.size()) return;
    if (stanza.Attribute("type") == "error") {
      ++worker_.stats().refused;
      return;
    }
    Talk& talk = talks_[mark->flow];
    if (&client != talk.to)
      return worker_.stats().Fail("a message reached the wrong client: " + std::string(stanza.text));
    if (!talk.flow.Arrive(mark->number, worker_.stats())) return;
    const Nanoseconds now = Now();
    worker_.stats().Deliver(now - mark->due);
    if (running_ && worker_.options().rate == 0) Say(mark->flow, now);
  }

  void Stop() override { running_ = false; }
  bool Settled() const override {
    return std::ranges::all_of(talks_, [](const Talk& talk) { return talk.flow.settled(); });
  }
  void CountLost() override {
    for (const Talk& talk : talks_) talk.flow.CountLost(worker_.stats());
  }

 private:
  struct Talk {
    Client* from = nullptr;
    Client* to = nullptr;
    Flow flow;
  };

  void Say(std::uint32_t number, Nanoseconds due) {
    Talk& talk = talks_[number];
    if (!talk.from->online()) return;
    text_ = "<message type='chat' to='";
    text_ += talk.to->jid();
    text_ += "' id='";
    text_ += Mark{number, talk.flow.Next(), due}.ToString();
    text_ += "'><body>";
    text_ += chatter_.Next();
    text_ += "</body></message>";
    ++worker_.stats().sent;
    talk.from->Send(text_);
  }

  // Each process makes its share of the rate, its moments between those of the others.
  void StartOpenLoop() {
    const auto& options = worker_.options();
    interval_ = 1e9 * options.processes_of_load / options.rate;
    next_ = static_cast<double>(Now()) + interval_ * worker_.from() / options.connections;
    Tick();
  }

  void Tick() {
    if (!running_) return;
    for (const auto now = static_cast<double>(Now()); next_ <= now; next_ += interval_) {
      Say(turn_, static_cast<Nanoseconds>(next_));
      turn_ = (turn_ + 1) % static_cast<std::uint32_t>(talks_.size());
    }
    worker_.loop().At(static_cast<Nanoseconds>(next_) + 1, [this] { Tick(); });
  }

  Worker& worker_;
  Chatter chatter_;
  std::vector<Talk> talks_;
  std::string text_;
  bool running_ = false;
  double interval_ = 0;
  double next_ = 0;
  std::uint32_t turn_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> MakeChat(Worker& worker) { return std::make_unique<Chat>(worker); }

}  // namespace parley::bench
