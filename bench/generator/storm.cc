// A reconnection storm: the process behind the first address is killed, with messages under way, and all its clients come
// back to the next address at once and resume there (XEP-0198). All that was written must arrive, once and in order.
// The clients of the other addresses talk among themselves meanwhile (--rate): what they notice of it is counted, too.
#include <algorithm>
#include <csignal>

#include "bench/generator/mark.h"
#include "bench/generator/scenario_types.h"
#include "bench/generator/worker.h"

namespace parley::bench {
namespace {

constexpr std::uint32_t kTalk = 0;  // the flow of a mark
constexpr Nanoseconds kRetry = 200'000'000;  // a refused client comes again, as polite ones do

class Storm final : public Scenario {
 public:
  explicit Storm(Worker& worker) : worker_(worker) {}

  void Start() override {
    members_.resize(worker_.clients().size());
    for (auto& client : worker_.clients()) {
      if (HomeOf(*client) != &worker_.ServerFor(0, 0)) bystanders_.push_back(client->index);
    }
    awaited_ = members_.size() - bystanders_.size();
    if (worker_.options().rate > 0) Talk(Now());
    for (std::uint32_t i = 0; i < worker_.options().away; ++i) {
      for (auto& client : worker_.clients()) Say(*client);
    }
    // What the clients said leaves at the end of this turn: some of it reaches the process, which dies over it.
    worker_.loop().Post([this] { kill(worker_.options().kill, SIGKILL); });
  }

  bool ExpectsEnd(Client& client) override {
    if (members_.empty()) return false;
    Member& member = members_[client.index];
    const bool first = member.since == 0;
    if (first) member.since = Now();
    if (!first) ++worker_.stats().retried;
    const Nanoseconds when = first ? Now() : Now() + kRetry;
    worker_.loop().At(when, [this, &client] {
      client.MoveTo(worker_.ServerFor(PairOf(client), EndOf(client) + 1));
      client.Login();
    });
    return true;
  }

  void OnLogin(Client& client, Nanoseconds) override {
    if (members_.empty()) return;  // before it
    if (client.resumed()) {
      worker_.stats().Deliver(Now() - members_[client.index].since);
    } else {
      ++worker_.stats().not_resumed;
    }
    if (++back_ == awaited_) worker_.Report("done");
  }

  void OnStanza(Client& client, const Stanza& stanza) override {
    if (stanza.name != "message" || members_.empty()) return;
    const auto mark = Mark::Find(stanza.Attribute("id"));
    if (!mark) return;
    if (stanza.Attribute("type") == "error") {
      ++worker_.stats().refused;
      return;
    }
    Member& member = members_[client.index];
    if (mark->flow == kTalk) {
      if (member.talk.Arrive(mark->number, worker_.stats())) worker_.stats().others.Record(Now() - mark->due);
    } else {
      member.flow.Arrive(mark->number, worker_.stats());
    }
  }
  void Stop() override { stopped_ = true; }

  bool Settled() const override {
    return std::ranges::all_of(members_, [](const Member& member) { return member.flow.settled() && member.talk.settled(); });
  }
  void CountLost() override {
    for (const Member& member : members_) {
      member.flow.CountLost(worker_.stats());
      member.talk.CountLost(worker_.stats());
    }
  }

 private:
  struct Member {
    Flow flow;  // to it, from its partner
    Flow talk;  // among bystanders
    Nanoseconds since = 0;
  };

  // Pairs count from the first user of this process, as in Worker.
  std::uint32_t PairOf(const Client& client) const { return (worker_.from() + client.index) / 2; }
  static std::uint32_t EndOf(const Client& client) { return client.index % 2; }
  const Server* HomeOf(const Client& client) const { return &worker_.ServerFor(PairOf(client), EndOf(client)); }

  void Say(Client& client) {
    const Client& partner = *worker_.clients()[client.index ^ 1];
    Send(client, partner, Mark{kTalk + 1, members_[partner.index].flow.Next(), Now()});
  }

  // An open loop: each in turn writes to the next.
  void Talk(Nanoseconds due) {
    if (stopped_ || bystanders_.size() < 2) return;
    Client& writer = *worker_.clients()[bystanders_[turn_++ % bystanders_.size()]];
    const Client& reader = *worker_.clients()[bystanders_[turn_ % bystanders_.size()]];
    Send(writer, reader, Mark{kTalk, members_[reader.index].talk.Next(), due});
    const auto next = due + static_cast<Nanoseconds>(1e9 * worker_.options().processes_of_load / worker_.options().rate);
    worker_.loop().At(next, [this, next] { Talk(next); });
  }

  void Send(Client& writer, const Client& reader, const Mark& mark) {
    ++worker_.stats().sent;
    writer.Send("<message type='chat' to='" + reader.jid() + "' id='" + mark.ToString() +
                "'><body>in the storm</body></message>");
  }

  Worker& worker_;
  std::vector<Member> members_;
  std::vector<std::uint32_t> bystanders_;
  std::size_t turn_ = 0;
  bool stopped_ = false;
  std::size_t awaited_ = 0;
  std::size_t back_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> MakeStorm(Worker& worker) { return std::make_unique<Storm>(worker); }

}  // namespace parley::bench
