#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/link.h"
#include "parley/session/v1/session.pb.h"

namespace parley::c2s::testing {

// A router's end of real links: binds whatever is asked for, writes down what comes, acknowledges it at once unless
// told to hold. Loop's thread only.
class FakeRouter final : public rpc::LinkHandler {
 public:
  struct Got {
    rpc::Envelope envelope;
    rpc::Receipt receipt;  // while held
  };

  void OnUp(rpc::Link& link) override { links.push_back(&link); }
  void OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) override {
    if (refuse != link::v1::REFUSAL_REASON_UNSPECIFIED) receipt.Refuse(refuse);
    got.push_back(Got{*envelope, hold ? std::move(receipt) : rpc::Receipt()});
    if (on_envelope) on_envelope(got.back().envelope);
  }
  void OnRefused(rpc::Link&, rpc::Held held, rpc::RefusalReason reason) override {
    refused.emplace_back(*held.envelope, reason);
  }
  void OnRequest(rpc::Link&, const std::string& body, Respond respond) override {
    session::v1::Ask ask;
    ask.ParseFromString(body);
    asks.push_back(ask);
    if (on_ask) on_ask(ask);
    if (hold_asks) return held_asks.push_back({ask, std::move(respond)});
    Answer(ask, respond);
  }
  void OnDraining(rpc::Link&) override { draining = true; }
  void OnWritable(rpc::Link&) override {}
  void OnDown(rpc::Link& link, std::vector<rpc::Held>) override { std::erase(links, &link); }

  // To a session, as a router delivers.
  void Deliver(const std::string& session, const std::string& stanza,
               const std::function<void(rpc::Envelope&)>& change = {}) {
    auto envelope = std::make_unique<rpc::Envelope>();
    envelope->set_kind(link::v1::KIND_MESSAGE);
    envelope->set_leg(link::v1::LEG_DELIVER);
    envelope->set_session(session);
    envelope->set_stanza(stanza);
    if (change) change(*envelope);
    ++sent;
    links.front()->Send(std::move(envelope), rpc::Receipt([this](rpc::RefusalReason) { ++settled; }));
  }
  void Disconnect(const std::string& session, const std::string& condition) {
    Deliver(session, "", [&](rpc::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_CONTROL);
      envelope.mutable_disconnect()->set_condition(condition);
    });
  }
  // Acknowledges the held envelope number `index`.
  void Acknowledge(std::size_t index) { got.at(index).receipt = rpc::Receipt(); }
  void AnswerHeld() {
    for (auto& [ask, respond] : std::exchange(held_asks, {})) Answer(ask, respond);
  }

  std::vector<rpc::Link*> links;
  std::vector<Got> got;
  std::vector<session::v1::Ask> asks;
  std::vector<std::pair<session::v1::Ask, Respond>> held_asks;
  std::vector<std::pair<rpc::Envelope, rpc::RefusalReason>> refused;
  std::function<void(const rpc::Envelope&)> on_envelope;
  std::function<void(const session::v1::Ask&)> on_ask;
  session::v1::Resumed resumed;  // the answer to a Resume
  std::string bind_condition;    // not empty: refuses binds
  bool restore_ok = true;
  bool enable_ok = true;
  bool hold = false;
  bool hold_asks = false;
  bool draining = false;
  rpc::RefusalReason refuse = link::v1::REFUSAL_REASON_UNSPECIFIED;
  int sent = 0;
  int settled = 0;

 private:
  void Answer(const session::v1::Ask& ask, const Respond& respond) {
    session::v1::Answer answer;
    if (ask.has_restore()) {
      answer.mutable_restored()->set_ok(restore_ok);
    } else if (ask.has_enable()) {
      answer.mutable_enabled()->set_ok(enable_ok);
    } else if (ask.has_resume()) {
      *answer.mutable_resumed() = resumed;
    } else if (!bind_condition.empty()) {
      answer.mutable_bound()->set_condition(bind_condition);
    } else {
      const std::string made = "made-" + std::to_string(++made_);
      const std::string resource = ask.bind().resource().empty() ? made : ask.bind().resource();
      answer.mutable_bound()->set_jid(ask.bind().account() + "/" + resource);
    }
    respond(answer.SerializeAsString());
  }

  int made_ = 0;
};

}  // namespace parley::c2s::testing
