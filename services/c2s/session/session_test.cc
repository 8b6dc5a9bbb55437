// A bound session against a router's real link: what goes up, what comes down.
#include "services/c2s/session/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SessionTest : public ::testing::Test {
 protected:
  // Envelopes of the client's stanzas at the router, without the session's controls.
  std::size_t Arrived() {
    return edge_.OnLoop([this] { return edge_.router().got.size(); });
  }
  bool AwaitArrived(std::size_t count) {
    return edge_.Eventually([&] { return edge_.router().got.size() >= count; });
  }
  Envelope Arrival(std::size_t index) {
    return edge_.OnLoop([&] { return edge_.router().got.at(index).envelope; });
  }
  std::string SessionId(std::size_t bind = 0) {
    return edge_.OnLoop([&] { return edge_.router().asks.at(bind).bind().session(); });
  }
  void Deliver(const std::string& session, const std::string& stanza,
               const std::function<void(Envelope&)>& change = {}) {
    edge_.OnLoop([&] { edge_.router().Deliver(session, stanza, change); });
  }

  EdgeHarness edge_;
};

TEST_F(SessionTest, LogsInBindsAndExchangesStanzas) {
  Client client(edge_.port());
  EXPECT_EQ(client.Start(), "romeo@example.org/orchard");
  client.Send("<message to='juliet@example.org/balcony' id='m1'><body>hi</body></message>");
  ASSERT_TRUE(AwaitArrived(1));
  const Envelope up = Arrival(0);
  EXPECT_EQ(up.leg(), link::v1::LEG_INBOUND);
  EXPECT_EQ(up.from(), "romeo@example.org/orchard");
  EXPECT_EQ(up.to(), "juliet@example.org/balcony");
  EXPECT_EQ(up.origin(), SessionId());
  EXPECT_EQ(up.origin_seq(), 1u);
  EXPECT_THAT(up.stanza(), HasSubstr("from='romeo@example.org/orchard'"));
  Deliver(SessionId(), "<message from='juliet@example.org/balcony'><body>ho</body></message>");
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<body>ho</body>"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().settled == 1; }));
}

TEST_F(SessionTest, IsCountedForItsHost) {
  constexpr char kSessions[] = "parley_c2s_host_sessions{host=\"example.org\",state=\"bound\"}";
  Client client(edge_.port());
  client.Start();
  EXPECT_EQ(edge_.Metric(kSessions), 1);
  client.Send("</stream:stream>");
  EXPECT_TRUE(edge_.Eventually([&] { return edge_.Metric(kSessions) == 0; }));
}

constexpr char kToJuliet[] = "<message to='juliet@example.org' type='chat' id='m'><body>hi</body></message>";

struct Leg {
  std::string name;
  std::string stanza;
  link::v1::Leg leg;
};
const Leg kLegs[] = {
    {"MessageToAccount", kToJuliet, link::v1::LEG_INBOUND},
    {"MessageToResource", "<message to='juliet@example.org/balcony'/>", link::v1::LEG_INBOUND},
    {"MessageToOtherHost", "<message to='paris@second.example'/>", link::v1::LEG_INBOUND},
    {"IqToAccount", "<iq to='juliet@example.org/x' id='1' type='get'><q xmlns='a:b'/></iq>", link::v1::LEG_INBOUND},
    {"MessageToOwnOtherResource", "<message to='romeo@example.org/other'/>", link::v1::LEG_INBOUND},
    {"MessageWithoutTo", "<message/>", link::v1::LEG_OUTBOUND},
    {"MessageToOwnAccount", "<message to='Romeo@example.org'/>", link::v1::LEG_OUTBOUND},
    {"IqWithoutTo", "<iq id='1' type='get'><query xmlns='jabber:iq:roster'/></iq>", link::v1::LEG_OUTBOUND},
    {"IqToServer", "<iq to='example.org' id='1' type='get'><q xmlns='a:b'/></iq>", link::v1::LEG_OUTBOUND},
    {"IqToServersResource", "<iq to='example.org/x' id='1' type='get'><q xmlns='a:b'/></iq>", link::v1::LEG_OUTBOUND},
    {"MessageToElsewhere", "<message to='a@elsewhere.example'/>", link::v1::LEG_OUTBOUND},
    {"Presence", "<presence/>", link::v1::LEG_OUTBOUND},
    {"DirectedPresence", "<presence to='juliet@example.org'/>", link::v1::LEG_OUTBOUND},
    {"Subscription", "<presence to='juliet@example.org' type='subscribe'/>", link::v1::LEG_OUTBOUND},
};

TEST_F(SessionTest, ChoosesTheLegByArchitecture) {
  Client client(edge_.port());
  client.Start();
  for (std::size_t i = 0; i < std::size(kLegs); ++i) {
    client.Send(kLegs[i].stanza);
    ASSERT_TRUE(AwaitArrived(i + 1)) << kLegs[i].name;
    EXPECT_EQ(Arrival(i).leg(), kLegs[i].leg) << kLegs[i].name;
    EXPECT_EQ(Arrival(i).origin_seq(), i + 1);
  }
}

TEST_F(SessionTest, StampsFromAndKeepsTheRest) {
  Client client(edge_.port());
  client.Start();
  client.Send(
      "<message from='romeo@example.org' to='juliet@example.org'><body>&lt;é</body><x xmlns='a:b'  c = \"d\"/>"
      "</message>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("from='romeo@example.org/orchard'"));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("<body>&lt;é</body><x xmlns='a:b'  c = \"d\"/></message>"));
}

TEST_F(SessionTest, PrefixesAndLanguageOfTheHeaderSurvive) {
  Client client(edge_.port());
  client.OpenSecured();
  client.AuthPlain();
  client.Until("</success>");
  client.Send(HeaderFor(kHost, "xmlns:p='urn:p' xml:lang='de' version='1.0'"));
  client.Until("</stream:features>");
  client.Bind();
  client.Send("<message to='juliet@example.org'><p:x/></message>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("xmlns:p='urn:p'"));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("xml:lang='de'"));
}

TEST_F(SessionTest, TracesNothingUnlessTold) {
  Client client(edge_.port());
  client.Start();
  client.Send(kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_EQ(Arrival(0).trace(), "");
}

TEST(TracedSessionTest, EachSampledStanzaIsATraceThatTheEdgeNamesAndExportsWithoutWaiting) {
  EdgeHarness edge([](config::Config& config) {
    config.tracing.endpoint = "http://127.0.0.1:1";  // nobody is there
    config.tracing.sample_ratio = 1;
    config.tracing.interval = std::chrono::milliseconds(10);
  });
  Client client(edge.port());
  client.Start();
  for (int i = 0; i < 2; ++i) client.Send(kToJuliet);
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 2; }));
  std::set<std::string> traces;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto context = tracing::Context::Parse(edge.OnLoop([&] { return edge.router().got[i].envelope.trace(); }));
    ASSERT_TRUE(context);
    traces.insert(context->trace_id);
  }
  EXPECT_EQ(traces.size(), 2u);
  EXPECT_TRUE(edge.Eventually([&] { return edge.Metric("parley_tracing_spans_total{outcome=\"failed\"}") == 2; }));
}

// What waits for order keeps its number, its receipt and its trace.
TEST(TracedSessionTest, WhatWaitsForOrderIsTracedFromItsArrival) {
  EdgeHarness edge([](config::Config& config) {
    config.tracing.endpoint = "http://127.0.0.1:1";
    config.tracing.sample_ratio = 1;
    config.tracing.interval = std::chrono::milliseconds(10);
  });
  Client client(edge.port());
  client.Start();
  edge.OnLoop([&] { edge.router().hold = true; });
  client.Send("<presence/>");
  client.Send(kToJuliet);
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 1; }));
  edge.OnLoop([&] {
    edge.router().hold = false;
    edge.router().Acknowledge(0);
  });
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 2; }));
  const Envelope message = edge.OnLoop([&] { return edge.router().got[1].envelope; });
  EXPECT_EQ(message.kind(), link::v1::KIND_MESSAGE);
  EXPECT_EQ(message.origin_seq(), 2u);
  EXPECT_TRUE(tracing::Context::Parse(message.trace()));
  EXPECT_TRUE(edge.Eventually([&] { return edge.Metric("parley_tracing_spans_total{outcome=\"failed\"}") == 2; }));
}

TEST_F(SessionTest, TakesOneByteAtATime) {
  Client client(edge_.port());
  client.Start();
  for (const char c : std::string(kToJuliet)) client.Send(std::string(1, c));
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_EQ(Arrival(0).id(), "m");
}

TEST_F(SessionTest, TakesAThousandStanzasAtOnceInOrder) {
  Client client(edge_.port());
  client.Start();
  std::string all;
  for (int i = 0; i < 1000; ++i) all += "<message to='juliet@example.org' id='" + std::to_string(i) + "'/>";
  client.Send(all);
  ASSERT_TRUE(AwaitArrived(1000));
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(Arrival(i).id(), std::to_string(i));
}

TEST_F(SessionTest, AnswersMistakesItself) {
  Client client(edge_.port());
  client.Start();
  client.Send("<message to='@@' id='bad'/>");
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<jid-malformed"));
  client.Send("<iq type='get' id='none'/>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<bad-request"));
  client.Send("<iq type='set' id='again'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<not-allowed"));
  client.Send("<iq type='set' id='old'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
  EXPECT_THAT(client.Until(">"), HasSubstr("type='result'"));
  EXPECT_EQ(Arrived(), 0u);
}

// Order (RFC 6120 10.1)

TEST_F(SessionTest, PresenceWaitsForMessages) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "<presence/>" + kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  Client other(edge_.port());
  other.Start("juliet", "art thou");  // time for whatever could come too early
  EXPECT_EQ(Arrived(), 1u);
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Arrival(1).kind(), link::v1::KIND_PRESENCE);
  edge_.OnLoop([this] { edge_.router().Acknowledge(1); });
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_EQ(Arrival(2).kind(), link::v1::KIND_MESSAGE);
  EXPECT_EQ(Arrival(2).origin_seq(), 3u);
}

TEST_F(SessionTest, RequestsToTheServerNeedNotWait) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "<iq to='example.org' id='1' type='get'><q xmlns='a:b'/></iq>" + kToJuliet);
  EXPECT_TRUE(AwaitArrived(3));
}

TEST_F(SessionTest, WaitsNoLongerForOrderThanAllowed) {
  EdgeHarness edge([](config::Config& config) { config.c2s.order_timeout = std::chrono::milliseconds(100); });
  edge.OnLoop([&] { edge.router().hold = true; });
  Client client(edge.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "<presence/>" + kToJuliet);
  EXPECT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 3; }));
  EXPECT_EQ(edge.OnLoop([&] { return edge.router().got.at(1).envelope.kind(); }), link::v1::KIND_PRESENCE);
}

TEST_F(SessionTest, TheEndWaitsForWhatWasSent) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "</stream:stream>");
  client.Rest();
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_EQ(Arrived(), 1u);
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_TRUE(Arrival(1).has_session_ended());
}

TEST_F(SessionTest, WhatWasSaidBeforeTheConnectionWentIsTaken) {
  for (const std::string farewell : {"</stream:stream>", ""}) {
    const std::size_t before = Arrived();
    edge_.OnLoop([this] { edge_.router().hold = true; });
    Client client(edge_.port());
    client.Start();
    client.Send(std::string(kToJuliet) + "<presence/>" + kToJuliet + "<presence/>" + kToJuliet + farewell);
    client.connection().Close();
    ASSERT_TRUE(AwaitArrived(before + 1));
    edge_.OnLoop([&] {
      edge_.router().hold = false;
      edge_.router().Acknowledge(before);
    });
    ASSERT_TRUE(AwaitArrived(before + 6));
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(Arrival(before + i).kind(), i % 2 == 0 ? link::v1::KIND_MESSAGE : link::v1::KIND_PRESENCE) << i;
    }
    EXPECT_EQ(Arrival(before + 5).session_ended().reason(), farewell.empty() ? "lost" : "closed");
  }
  bool drained = false;  // no stream is left behind
  edge_.OnLoop([&] { edge_.edge().Drain([&] { drained = true; }); });
  EXPECT_TRUE(edge_.Eventually([&] { return drained; }));
}

// RFC 6120 4.4: the client has said all, but has not heard all.
TEST_F(SessionTest, AnswersToWhatWasSaidComeBeforeTheStreamIsClosed) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq></stream:stream>");
  ASSERT_TRUE(AwaitArrived(1));
  Deliver(SessionId(), "<iq id='1' type='result'/>", [](Envelope& envelope) { envelope.set_answers(1); });
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().settled == 1; }));
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  EXPECT_EQ(client.Rest(), "<iq id='1' type='result'/></stream:stream>");
  EXPECT_TRUE(client.connection().ended_cleanly());
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Arrival(1).session_ended().reason(), "closed");
}

TEST_F(SessionTest, WhoLeavesAndBreaksOffHasLeft) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "</stream:stream>");
  ASSERT_TRUE(AwaitArrived(1));
  client.connection().Reset();
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Arrival(1).session_ended().reason(), "closed");
}

// Limits

TEST_F(SessionTest, ReadsNoMoreThanTheRoutersTake) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unacknowledged = 10; });
  edge.OnLoop([&] { edge.router().hold = true; });
  Client client(edge.port());
  client.Start();
  std::string all;
  for (int i = 0; i < 100; ++i) all += kToJuliet;
  client.Send(all);
  for (std::size_t taken = 0; taken < 100; taken += 10) {
    ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == taken + 10; }));
    edge.OnLoop([&] {
      for (std::size_t i = taken; i < taken + 10; ++i) edge.router().Acknowledge(i);
    });
  }
}

TEST_F(SessionTest, ReadsNoMorePresencesThanAreSpread) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unacknowledged_presences = 2; });
  edge.OnLoop([&] { edge.router().hold = true; });
  Client client(edge.port());
  client.Start();
  std::string all;
  for (int i = 0; i < 6; ++i) all += "<presence/>";
  client.Send(all);
  for (std::size_t taken = 0; taken < 6; taken += 2) {
    ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == taken + 2; }));
    edge.OnLoop([&] {
      for (std::size_t i = taken; i < taken + 2; ++i) edge.router().Acknowledge(i);
    });
  }
}

TEST_F(SessionTest, RefusesPresenceThatIsTooLarge) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_presence_bytes = 10000; });
  Client client(edge.port());
  client.Start();
  const std::string status = "<status>" + std::string(10000, 's') + "</status>";
  client.Send("<presence id='large'>" + status + "</presence>");
  EXPECT_THAT(client.Until("</presence>"), AllOf(HasSubstr("type='error' id='large'"), HasSubstr("<not-acceptable")));
  client.Send("<presence type='error' to='juliet@example.org'>" + status + "</presence><presence id='small'/>");
  ASSERT_TRUE(edge.Eventually([&] { return !edge.router().got.empty(); }));
  EXPECT_EQ(edge.OnLoop([&] { return edge.router().got[0].envelope.id(); }), "small");
  EXPECT_EQ(edge.Metric("parley_c2s_limits_total{limit=\"presence_size\"}"), 2);
}

TEST_F(SessionTest, SlowsDownWhoeverSendsTooFast) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.stanzas_per_second = 100;
    config.c2s.stanzas_burst = 10;
  });
  Client client(edge.port());
  client.Start();
  const auto start = std::chrono::steady_clock::now();
  std::string all;
  for (int i = 0; i < 60; ++i) all += kToJuliet;
  client.Send(all);
  EXPECT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 60; }));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(400));
  EXPECT_GE(edge.Metric("parley_c2s_limits_total{limit=\"stanza_rate\"}"), 1);
}

TEST_F(SessionTest, EndsWhoeverDoesNotRead) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.max_outbound_bytes = 1 << 20;
    config.c2s.slow_reader_timeout = std::chrono::milliseconds(300);
    config.c2s.close_timeout = std::chrono::milliseconds(100);
  });
  Client client(edge.port());
  client.Start();
  const std::string session = edge.OnLoop([&] { return edge.router().asks.at(0).bind().session(); });
  const std::string big = "<message><body>" + std::string(200000, 'x') + "</body></message>";
  edge.OnLoop([&] {
    for (int i = 0; i < 100; ++i) edge.router().Deliver(session, big);
  });
  ASSERT_TRUE(edge.Eventually([&] { return !edge.router().refused.empty(); }));
  EXPECT_EQ(edge.OnLoop([&] { return edge.router().refused.front().second; }), link::v1::REFUSAL_REASON_OVERLOADED);
  EXPECT_TRUE(edge.Eventually([&] { return !edge.router().got.empty(); }));
  EXPECT_TRUE(edge.OnLoop([&] { return edge.router().got.back().envelope.has_session_ended(); }));
  EXPECT_EQ(edge.Metric("parley_c2s_limits_total{limit=\"slow_reader\"}"), 1);
}

TEST_F(SessionTest, OneWhoAsksWithoutReadingIsNotRead) {
  Client client(edge_.port());
  client.Start();
  const std::string ask =
      "<iq type='set' id='" + std::string(8000, 'i') + "'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>";
  std::string all;
  for (int i = 0; i < 1000; ++i) all += ask;
  std::thread sender([&] { client.connection().Send(all); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_limits_total{limit=\"unread\"}") > 0; }));
  Client other(edge_.port());
  other.Start("juliet", "art thou");
  for (int i = 0; i < 1000; ++i) client.Until(std::string(8000, 'i'));
  sender.join();
}

// Deliveries

TEST_F(SessionTest, RefusesDeliveriesForSessionsThatAreNotHere) {
  Deliver("nobody", "<message/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused[0].second; }), link::v1::REFUSAL_REASON_NO_SESSION);
}

TEST_F(SessionTest, DropsRepeats) {
  Client client(edge_.port());
  client.Start();
  const auto numbered = [](std::uint64_t seq, bool repeat) {
    return [=](Envelope& envelope) {
      envelope.set_origin("another");
      envelope.set_origin_seq(seq);
      envelope.set_repeat(repeat);
    };
  };
  const std::string session = SessionId();
  Deliver(session, "<message id='a'/>", numbered(1, false));
  Deliver(session, "<message id='b'/>", numbered(2, false));
  Deliver(session, "<message id='b-again'/>", numbered(2, true));
  Deliver(session, "<message id='c-late'/>", numbered(3, true));
  Deliver(session, "<message id='c-again'/>", numbered(3, true));
  Deliver(session, "<message id='end'/>");
  EXPECT_EQ(client.Until("<message id='end'/>"),
            "<message id='a'/><message id='b'/><message id='c-late'/><message id='end'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().settled == 6; }));
}

TEST_F(SessionTest, TakesOneAnswerToEachStanza) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq>");
  ASSERT_TRUE(AwaitArrived(1));
  const auto answers = [](Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_answers(1);
  };
  const auto again = [&](Envelope& envelope) {
    answers(envelope);
    envelope.set_repeat(true);
  };
  const std::string session = SessionId();
  Deliver(session, "<iq id='1' type='result'/>", answers);
  Deliver(session, "<iq id='1' type='error'/>", again);
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  Deliver(session, "<iq id='1' type='late'/>", again);
  Deliver(session, "<message id='end'/>");
  EXPECT_EQ(client.Until("<message id='end'/>"), "<iq id='1' type='result'/><message id='end'/>");
}

TEST_F(SessionTest, ARouterMayEndTheStream) {
  for (const std::string condition : {"conflict", "policy-violation", "not-authorized", "reset"}) {
    Client client(edge_.port());
    client.Start();
    const std::string session = edge_.OnLoop([this] { return edge_.router().asks.back().bind().session(); });
    edge_.OnLoop([&] { edge_.router().Disconnect(session, condition); });
    EXPECT_EQ(StreamErrorIn(client.Rest()), condition);
  }
}

// The end

TEST_F(SessionTest, TellsTheHomeRouterOfTheEnd) {
  const std::vector<std::pair<std::string, std::string>> ends = {
      {"</stream:stream>", "closed"}, {"<a xmlns='b:c'/>", "unsupported-stanza-type"}, {"", "lost"}};
  for (const auto& [said, reason] : ends) {
    const auto before = Arrived();
    Client client(edge_.port());
    client.Start();
    said.empty() ? client.connection().Reset() : client.Send(said);
    ASSERT_TRUE(AwaitArrived(before + 1));
    const Envelope end = Arrival(before);
    EXPECT_EQ(end.session_ended().reason(), reason);
    EXPECT_EQ(end.from(), "romeo@example.org/orchard");
    EXPECT_EQ(end.session(), edge_.OnLoop([this] { return edge_.router().asks.back().bind().session(); }));
    EXPECT_FALSE(end.session_ended().node_epoch().empty());
    Deliver(end.session(), "<message/>");
    EXPECT_TRUE(edge_.Eventually([this] { return !edge_.router().refused.empty(); }));
    edge_.OnLoop([this] { edge_.router().refused.clear(); });
  }
}

TEST_F(SessionTest, PingsTheSilentAndEndsTheDead) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.idle_ping = std::chrono::milliseconds(200);
    config.c2s.idle_timeout = std::chrono::milliseconds(300);
  });
  Client client(edge.port());
  client.Start();
  const std::string ping = client.Until("</iq>");
  EXPECT_THAT(ping, HasSubstr("<ping xmlns='urn:xmpp:ping'/>"));
  EXPECT_THAT(ping, HasSubstr("type='get'"));
  client.Send("<iq type='result' id='c2s-are-you-there' to='example.org'/>");
  client.Until("<ping xmlns='urn:xmpp:ping'/></iq>");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "connection-timeout");
  // The answer went no further.
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 1; }));
  EXPECT_TRUE(edge.OnLoop([&] { return edge.router().got[0].envelope.has_session_ended(); }));
}

// XEP-0199 4.2
TEST_F(SessionTest, PingsToItsServerAreAnsweredByTheEdge) {
  Client client(edge_.port());
  client.Start();
  client.Send("<iq id='p' type='get' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  const std::string pong = client.Until("/>");
  for (const auto part : {"type='result'", "id='p'", "from='example.org'", "to='romeo@example.org/orchard'"}) {
    EXPECT_THAT(pong, HasSubstr(part));
  }
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.empty(); }));
}

TEST_F(SessionTest, PingsElsewhereAreTheRouters) {
  Client client(edge_.port());
  client.Start();
  const std::vector<std::string> pings = {
      "<iq id='0' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='1' type='get' to='romeo@example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='2' type='get' to='second.example'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='3' type='get' to='sub.example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='4' type='get' to='example.org/x'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='5' type='set' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='6' type='get' to='example.org'><ping xmlns='urn:example:other'/></iq>",
      "<iq id='7' type='get' to='example.org'><pong xmlns='urn:xmpp:ping'/></iq>",
  };
  const auto before = Arrived();
  for (const auto& ping : pings) client.Send(ping);
  ASSERT_TRUE(AwaitArrived(before + pings.size()));
  for (std::size_t i = 0; i < pings.size(); ++i) EXPECT_EQ(Arrival(before + i).id(), std::to_string(i));
}

// Its answer comes behind what the client's earlier stanzas bring about, and tells that they are done with.
TEST_F(SessionTest, APingIsTheRoutersWhileSomethingIsNotSettled) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold = true; });
  const auto before = Arrived();
  const std::string ping = "<iq id='p' type='get' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>";
  client.Send(kToJuliet + ping);
  ASSERT_TRUE(AwaitArrived(before + 2));
  EXPECT_EQ(Arrival(before + 1).payload_name(), "ping");
  edge_.OnLoop([&] {
    edge_.router().hold = false;
    for (auto index : {before, before + 1}) edge_.router().Acknowledge(index);
  });
  // As soon as the edge has heard that.
  const auto answered = [this] { return edge_.Metric("parley_c2s_pings_answered_total") == 1; };
  for (auto sent = before + 2; !edge_.OnLoop(answered); ++sent) {
    client.Send(ping);
    ASSERT_TRUE(edge_.Eventually([&] { return answered() || edge_.router().got.size() > sent; }));
  }
  client.Until("<iq type='result'");
}

// Faults

TEST_F(SessionTest, WithoutRoutersAPingIsAnsweredWithAnError) {
  EdgeHarness edge([](config::Config& config) { config.c2s.no_router_timeout = std::chrono::milliseconds(200); });
  Client client(edge.port());
  client.Start();
  edge.StopRouter();
  ASSERT_TRUE(edge.Eventually([&] { return !edge.edge().ready(); }));
  client.Send("<iq id='1' type='get' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<remote-server-timeout"));
}

TEST_F(SessionTest, WithoutRoutersStanzasAreAnsweredWithErrors) {
  EdgeHarness edge([](config::Config& config) { config.c2s.no_router_timeout = std::chrono::milliseconds(200); });
  Client client(edge.port());
  client.Start();
  edge.StopRouter();
  for (int i = 0; i < 20; ++i) client.Send(kToJuliet);
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq>");
  for (int i = 0; i < 20; ++i) EXPECT_THAT(client.Until("</message>"), HasSubstr("<remote-server-timeout"));
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<remote-server-timeout"));
}

TEST_F(SessionTest, WhatABusyRouterRefusesIsAnswered) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_OVERLOADED; });
  client.Send(kToJuliet);
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<resource-constraint"));
}

TEST_F(SessionTest, ASessionThatTheRoutersLostIsPutBack) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_NO_SESSION; });
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().asks.back().has_restore(); }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().asks.back().restore().record().session(); }), SessionId());
  // The second time is the last.
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<remote-server-timeout"));
  EXPECT_TRUE(Arrival(1).repeat());
}

TEST_F(SessionTest, WhatIsPutBackIsWhatTheRouterTook) {
  Client client(edge_.port());
  client.Start();
  client.Send("<presence id='taken'><priority>5</priority></presence>");
  for (const std::string to : {"paris@example.org", "nurse@example.org/x", "tybalt@example.org", "example.org"}) {
    client.Send("<presence to='" + to + "'/>");
  }
  client.Send("<presence to='tybalt@example.org' type='unavailable'/>");
  ASSERT_TRUE(AwaitArrived(6));
  const auto refuse = [&](std::uint64_t number, const std::string& from) {
    Deliver(SessionId(), "<presence type='error'/>", [&](Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_PRESENCE);
      envelope.set_type(link::v1::TYPE_ERROR);
      envelope.set_answers(number);
      envelope.set_from(from);
    });
    client.Until("<presence type='error'/>");
  };
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<presence id='bad'><priority>x</priority></presence><presence to='paris@example.org'/>");
  ASSERT_TRUE(AwaitArrived(8));
  refuse(7, "");
  refuse(8, "paris@example.org");
  edge_.OnLoop([this] {
    edge_.router().hold = false;
    edge_.router().Acknowledge(6);
    edge_.router().Acknowledge(7);
    edge_.router().refuse = link::v1::REFUSAL_REASON_NO_SESSION;
  });
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().asks.back().has_restore(); }));
  const auto record = edge_.OnLoop([this] { return edge_.router().asks.back().restore().record(); });
  EXPECT_THAT(record.presence(), HasSubstr("id='taken'"));
  EXPECT_EQ(record.priority(), 5);
  EXPECT_THAT(record.directed(), ::testing::ElementsAre("nurse@example.org/x"));
}

TEST_F(SessionTest, PresenceThatABusyRouterRefusesIsSentAgain) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_OVERLOADED; });
  client.Send("<presence id='old'/><presence id='new'/>");
  ASSERT_TRUE(AwaitArrived(2));
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_UNSPECIFIED; });
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_EQ(Arrival(2).id(), "new");
}

}  // namespace
}  // namespace parley::c2s::testing
