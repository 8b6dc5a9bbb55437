// XEP-0198: the second client of each pair is cut off; the first writes to it; it comes back and resumes. All that was
// written must arrive, once and in order.
#include <algorithm>

#include "bench/generator/mark.h"
#include "bench/generator/scenario_types.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

class Resume final : public Scenario {
 public:
  explicit Resume(Worker& worker) : worker_(worker) {}

  void Start() override {
    pairs_.resize(worker_.clients().size() / 2);
    for (std::uint32_t i = 0; i < worker_.options().concurrency; ++i) Next();
  }

  void OnLogin(Client& client, Nanoseconds) override {
    if (pairs_.empty() || client.index % 2 == 0) return;
    Pair& pair = pairs_[client.index / 2];
    if (!client.resumed()) ++worker_.stats().not_resumed;
    if (client.resumed()) worker_.stats().Deliver(Now() - pair.since);
    pair.back = true;
    Check(pair);
  }

  void OnFailed(Client& client) override {
    if (pairs_.empty()) return;
    Pair& pair = pairs_[client.index / 2];
    if (!pair.finished) Finish(pair);
  }

  void OnStanza(Client& client, const Stanza& stanza) override {
    if (stanza.name != "message" || pairs_.empty()) return;
    const auto mark = Mark::Find(stanza.Attribute("id"));
    if (!mark || mark->flow != client.index / 2) return;
    if (stanza.Attribute("type") == "error") {
      ++worker_.stats().refused;
      return;
    }
    Pair& pair = pairs_[mark->flow];
    pair.flow.Arrive(mark->number, worker_.stats());
    Check(pair);
  }

  bool Settled() const override {
    return std::ranges::all_of(pairs_, [](const Pair& pair) { return pair.flow.settled(); });
  }
  void CountLost() override {
    for (const Pair& pair : pairs_) pair.flow.CountLost(worker_.stats());
  }

 private:
  struct Pair {
    Flow flow;
    Nanoseconds since = 0;
    bool back = false;
    bool finished = false;
  };

  void Next() {
    if (next_ == pairs_.size()) return;
    const std::uint32_t number = next_++;
    Client& writer = *worker_.clients()[2 * number];
    Client& reader = *worker_.clients()[2 * number + 1];
    reader.Cut();
    for (std::uint32_t i = 0; i < worker_.options().away; ++i) Say(writer, reader, number);
    const std::uint32_t end = worker_.options().elsewhere ? 2 : 1;
    worker_.loop().Post([this, &reader, number, end] {
      pairs_[number].since = Now();
      reader.MoveTo(worker_.ServerFor(number, end));
      reader.Login();
    });
  }

  void Say(Client& writer, const Client& reader, std::uint32_t number) {
    ++worker_.stats().sent;
    writer.Send("<message type='chat' to='" + reader.jid() + "' id='" +
                Mark{number, pairs_[number].flow.Next(), Now()}.ToString() +
                "'><body>while you were away</body></message>");
  }

  void Check(Pair& pair) {
    if (!pair.finished && pair.back && pair.flow.settled()) Finish(pair);
  }

  void Finish(Pair& pair) {
    pair.finished = true;
    if (++finished_ == pairs_.size()) return worker_.Report("done");
    Next();
  }

  Worker& worker_;
  std::vector<Pair> pairs_;
  std::uint32_t next_ = 0;
  std::size_t finished_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> MakeResume(Worker& worker) { return std::make_unique<Resume>(worker); }

}  // namespace parley::bench
