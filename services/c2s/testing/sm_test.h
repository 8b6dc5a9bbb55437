#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/session/queue.h"
#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {

inline constexpr char kEnable[] = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
inline constexpr char kAsk[] = "<r xmlns='urn:xmpp:sm:3'/>";

// An edge whose router makes queues in Redis as a real one does.
class SmTest : public ::testing::Test {
 protected:
  explicit SmTest(const EdgeHarness::Change& change = {}) : edge_(change) {
    edge_.OnLoop([this] {
      edge_.router().on_ask = [this](const session::v1::Ask& ask) {
        if (!ask.has_enable()) return;
        const auto& enable = ask.enable();
        queue_ = session::QueueKey(enable.account(), enable.queue());
        edge_.redis().Call({"RPUSH", queue_, session::Encode(enable.header())});
      };
    });
  }

  // Logs in, binds and enables; the id to resume by.
  std::string Enable(Client& client, const std::string& enable = kEnable) {
    client.Start();
    client.Send(enable);
    const std::string enabled = client.Until("/>");
    EXPECT_EQ(enabled.find("<enabled xmlns='urn:xmpp:sm:3'"), 0u) << enabled;
    const auto at = enabled.find("id='");
    if (at == std::string::npos) return {};
    return enabled.substr(at + 4, enabled.find('\'', at + 4) - at - 4);
  }
  // What the server answers to <resume/>, up to its end.
  std::string Resume(Client& client, const std::string& id, std::uint32_t handled) {
    client.LogIn();
    client.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='" + std::to_string(handled) + "'/>");
    return client.Until(">");
  }
  std::string SessionId() {
    return edge_.OnLoop([this] { return edge_.router().asks.at(0).bind().session(); });
  }
  void Deliver(const std::string& session, const std::string& stanza,
               const std::function<void(link::v1::Envelope&)>& change = {}) {
    edge_.OnLoop([&] { edge_.router().Deliver(session, stanza, change); });
  }
  bool AwaitSettled(int count) {
    return edge_.Eventually([&] { return edge_.router().settled == count; });
  }
  bool AwaitArrived(std::size_t count) {
    return edge_.Eventually([&] { return edge_.router().got.size() >= count; });
  }
  // Whether the router was told, or is within ten seconds, that a session is over, for this reason.
  bool AwaitEnd(const std::string& reason) {
    return edge_.Eventually([&] { return EndReason() == reason; });
  }
  bool Ended() {
    return edge_.OnLoop([this] { return !EndReason().empty(); });
  }
  bool AwaitSessions(const std::string& state, double count) {
    return edge_.Eventually([&] { return edge_.Metric("parley_c2s_sessions{state=\"" + state + "\"}") == count; });
  }
  std::string Length() { return edge_.redis().Call({"LLEN", queue_}); }
  session::QueueContents Contents() {
    const std::string text = edge_.redis().Call({"EVAL", R"(
      local all = {}
      for _, element in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
        table.insert(all, string.format('%010d', #element) .. element)
      end
      return table.concat(all))",
                                                 "1", queue_});
    storage::Reply reply;
    for (std::size_t at = 0; at < text.size(); at += 10 + reply.items.back().text.size()) {
      reply.items.emplace_back().text = text.substr(at + 10, std::stoul(text.substr(at, 10)));
    }
    auto decoded = session::DecodeQueue(reply);
    EXPECT_TRUE(decoded) << decoded.error().message();
    return decoded ? *decoded : session::QueueContents();
  }
  bool AwaitAcked(std::uint64_t number) {
    return edge_.Eventually([&] { return Contents().header.acked() == number; });
  }
  static std::string Failed(const std::string& condition) {
    return "<failed xmlns='urn:xmpp:sm:3'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
  }
  static std::string Message(const std::string& id) { return "<message id='" + id + "'/>"; }

  // On the loop's thread.
  std::string EndReason() {
    for (const auto& got : edge_.router().got) {
      if (got.envelope.has_session_ended()) return got.envelope.session_ended().reason();
    }
    return {};
  }

  std::string queue_;  // key of the queue made last
  EdgeHarness edge_;
};

}  // namespace parley::c2s::testing
