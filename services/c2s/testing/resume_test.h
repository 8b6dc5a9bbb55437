#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {

// Sessions that are to outlive their stream.
class ResumeTest : public SmTest {
 protected:
  ResumeTest() = default;
  explicit ResumeTest(const EdgeHarness::Change& change) : SmTest(change) {}

  // Cut off without a word.
  void GoAway(Client& client) {
    client.connection().Reset();
    ASSERT_TRUE(AwaitSessions("away", 1));
  }
  void HandOver(const std::string& session) {
    Deliver(session, "", [this](link::v1::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_CONTROL);
      envelope.mutable_hand_over()->set_queue(queue_.substr(queue_.rfind(':') + 1));
    });
  }
  // A session with something unacknowledged, to be resumed elsewhere.
  void ExpectLeftByADrain(const std::string& told) {
    Client client(edge_.port());
    const std::string id = Enable(client);
    Deliver(id, Message("1"));
    client.Until(Message("1"));
    bool done = false;
    edge_.OnLoop([&] { edge_.edge().Drain([&] { done = true; }); });
    EXPECT_EQ(StreamErrorIn(client.Rest()), told);
    client.connection().Close();
    ASSERT_TRUE(edge_.Eventually([&] { return done; }));
    EXPECT_FALSE(Ended());
    EXPECT_TRUE(Contents().header.settled());
    EXPECT_EQ(Contents().stanzas.size(), 1u);
  }
  // As if another edge had left a session.
  void Leave(const std::function<void(session::v1::QueueHeader&)>& change,
             const std::vector<link::v1::Envelope>& queued) {
    edge_.OnLoop([=, this] {
      auto& resumed = edge_.router().resumed;
      resumed.set_jid("romeo@example.org/orchard");
      auto& record = *resumed.mutable_record();
      record.set_resource("orchard");
      record.set_session("left");
      record.set_resume_ms(60000);
      record.set_presence("<presence from='romeo@example.org/orchard'/>");
      edge_.router().on_ask = [=, this](const session::v1::Ask& ask) {
        if (!ask.has_resume()) return;
        edge_.router().resumed.mutable_record()->set_queue(ask.resume().queue());
        queue_ = session::QueueKey("romeo@example.org", ask.resume().queue());
        session::v1::QueueHeader header;
        change(header);
        edge_.redis().Call({"DEL", queue_});
        edge_.redis().Call({"RPUSH", queue_, session::Encode(header)});
        for (auto envelope : queued) {
          edge_.redis().Call({"RPUSH", queue_, session::Encode(envelope, 1, header.handled())});
        }
      };
    });
  }
  static link::v1::Envelope Queued(const std::string& id, const std::string& origin = {}, std::uint64_t seq = 0) {
    link::v1::Envelope envelope;
    envelope.set_kind(link::v1::KIND_MESSAGE);
    envelope.set_stanza(Message(id));
    envelope.set_origin(origin);
    envelope.set_origin_seq(seq);
    return envelope;
  }
};

class ShortResumeTest : public ResumeTest {
 protected:
  ShortResumeTest()
      : ResumeTest([](config::Config& config) {
          config.c2s.sm_resume_timeout = std::chrono::milliseconds(300);
          config.c2s.router_timeout = std::chrono::milliseconds(600);
        }) {}
};

}  // namespace parley::c2s::testing
