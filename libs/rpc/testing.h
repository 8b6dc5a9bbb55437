#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/loop.h"
#include "libs/rpc/link.h"

// For tests only: peers that write down what happens to them.
namespace parley::rpc::testing {

// Turns the loop until `done`; fails after `limit`.
inline void RunUntil(Loop& loop, const std::function<bool()>& done,
                     std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  bool late = false;
  const auto deadline = loop.After(limit, [&] {
    late = true;
    loop.Stop();
  });
  const auto check = loop.Every(std::chrono::milliseconds(1), [&] {
    if (done()) loop.Stop();
  });
  if (!done()) loop.Run();
  ASSERT_FALSE(late) << "waited too long";
}

// Turns the loop for a while, to see that something does not happen.
inline void RunFor(Loop& loop, std::chrono::milliseconds time) {
  const auto deadline = loop.After(time, [&] { loop.Stop(); });
  loop.Run();
}

inline std::unique_ptr<Envelope> MakeEnvelope(const std::string& from, std::uint64_t number,
                                              const std::string& stanza = "<message/>") {
  auto envelope = std::make_unique<Envelope>();
  envelope->set_kind(link::v1::KIND_MESSAGE);
  envelope->set_from(from);
  envelope->set_origin_seq(number);
  envelope->set_stanza(stanza);
  return envelope;
}

// One that nobody waits for.
class Unhurried final : public Receipt::Debt {
 public:
  bool unhurried() const override { return true; }

 private:
  void Settle(RefusalReason) override {}
};

inline Receipt NobodyWaits() { return Receipt(std::make_unique<Unhurried>()); }

// Keeps everything; acknowledges at once unless told to hold.
class Recorder : public LinkHandler {
 public:
  struct Got {
    std::string from;
    std::uint64_t number;
    bool repeat;
  };

  void OnUp(Link& link) override { links.push_back(&link); }
  void OnEnvelope(Link& link, std::unique_ptr<Envelope> envelope, Receipt receipt) override {
    got.push_back({envelope->from(), envelope->origin_seq(), envelope->repeat()});
    if (on_envelope) return on_envelope(link, std::move(envelope), std::move(receipt));
    if (hold) receipts.push_back(std::move(receipt));
  }
  void OnRefused(Link&, Held held, RefusalReason reason) override { refused.emplace_back(std::move(held), reason); }
  void OnRequest(Link& link, const std::string& body, Respond respond) override {
    requests.push_back(body);
    if (on_request) return on_request(link, body, std::move(respond));
    if (respond_at_once) {
      respond("re: " + body);
    } else {
      responds.push_back(std::move(respond));
    }
  }
  void OnDraining(Link&) override { ++draining; }
  void OnJoining(Link& link) override {
    ++joining;
    link.Yield();
  }
  void OnChangedOver(Link&) override { ++changed_over; }
  void OnWritable(Link&) override { ++writable; }
  void OnHurried(Link&) override { ++hurried; }
  void OnDown(Link& link, std::vector<Held> back) override {
    std::erase(links, &link);
    ++downs;
    for (auto& one : back) held.push_back(std::move(one));
  }
  void OnDialFailed() override { ++failed_dials; }

  std::vector<Link*> links;
  std::vector<Got> got;
  bool hold = false;
  bool respond_at_once = true;
  std::function<void(Link&, std::unique_ptr<Envelope>, Receipt)> on_envelope;
  std::function<void(Link&, const std::string&, Respond)> on_request;
  std::vector<Receipt> receipts;
  std::vector<std::pair<Held, RefusalReason>> refused;
  std::vector<std::string> requests;
  std::vector<Respond> responds;
  std::vector<Held> held;
  int draining = 0;
  int joining = 0;
  int changed_over = 0;
  int writable = 0;
  int hurried = 0;
  int downs = 0;
  int failed_dials = 0;
};

}  // namespace parley::rpc::testing
