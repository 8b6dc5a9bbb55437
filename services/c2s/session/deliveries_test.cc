// What the routers have for a session, and what they are told of its end.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "services/c2s/testing/session_test.h"

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;

// Sent again; from the store, or otherwise.
auto Again(std::uint64_t seq, bool kept) {
  return [=](Envelope& envelope) {
    envelope.set_origin("another");
    envelope.set_origin_seq(seq);
    envelope.set_repeat(true);
    envelope.set_kept(kept);
  };
}

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

// Once taken it is deleted there: what is only older than the latest is no repeat.
TEST_F(SessionTest, TakesWhatWasStoredLongBefore) {
  Client client(edge_.port());
  client.Start();
  const std::string session = SessionId();
  Deliver(session, "<message id='live'/>", Again(1000, false));
  Deliver(session, "<message id='stored'/>", Again(3, true));
  Deliver(session, "<message id='stored'/>", Again(500, true));
  Deliver(session, "<message id='stored-again'/>", Again(3, true));
  Deliver(session, "<message id='stored-again-live'/>", Again(500, false));
  Deliver(session, "<message id='live-again'/>", Again(1000, false));
  Deliver(session, "<message id='late'/>", Again(4, false));
  Deliver(session, "<message id='end'/>");
  EXPECT_EQ(client.Until("<message id='end'/>"),
            "<message id='live'/><message id='stored'/><message id='stored'/><message id='end'/>");
}

// Its former home stored it and died; the next one was given it again, had it for the session, and read the store then.
TEST_F(SessionTest, WhatWasSentAgainAndGivenToItIsNotTakenFromTheStoreAsWell) {
  Client client(edge_.port());
  client.Start();
  const std::string session = SessionId();
  Deliver(session, "<message id='8'/>", Again(8, false));
  Deliver(session, "<message id='10'/>", Again(10, false));
  Deliver(session, "<message id='1000'/>", Again(1000, false));
  Deliver(session, "<message id='8-stored'/>", Again(8, true));
  Deliver(session, "<message id='9'/>", Again(9, true));
  Deliver(session, "<message id='10-stored'/>", Again(10, true));
  Deliver(session, "<message id='end'/>");
  EXPECT_EQ(client.Until("<message id='end'/>"),
            "<message id='8'/><message id='10'/><message id='1000'/><message id='9'/><message id='end'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().settled == 7; }));  // and so leaves the store
}

// Nobody had acknowledged it to its sender when its home died, and the next one stored it, behind what the session
// owed.
TEST_F(SessionTest, WhatItHadFirstIsNotTakenFromTheStoreAsWell) {
  Client client(edge_.port());
  client.Start();
  const std::string session = SessionId();
  const auto first = [](std::uint64_t seq) {
    return [seq](Envelope& envelope) {
      envelope.set_origin("another");
      envelope.set_origin_seq(seq);
    };
  };
  Deliver(session, "<message id='8'/>", first(8));
  Deliver(session, "<message id='10'/>", first(10));
  Deliver(session, "<message id='8-stored'/>", Again(8, true));
  Deliver(session, "<message id='9'/>", Again(9, true));
  Deliver(session, "<message id='10-stored'/>", Again(10, true));
  Deliver(session, "<message id='end'/>");
  EXPECT_EQ(client.Until("<message id='end'/>"),
            "<message id='8'/><message id='10'/><message id='9'/><message id='end'/>");
}

// Another session of the account got it, too, and has ended without acknowledging it.
TEST_F(SessionTest, WhatItHadByItselfIsNotTakenFromWhatAnotherSessionLeft) {
  Client client(edge_.port());
  client.Start();
  const std::string session = SessionId();
  const auto left = [](std::uint64_t seq, std::uint64_t number) {
    return [=](Envelope& envelope) {
      Again(seq, false)(envelope);
      envelope.set_unacknowledged_by("ended");
      envelope.set_unacknowledged_number(number);
    };
  };
  Deliver(session, "<message id='8'/>", Again(8, false));
  Deliver(session, "<message id='10'/>", Again(10, false));
  Deliver(session, "<message id='8-left'/>", left(8, 1));
  Deliver(session, "<message id='9-left'/>", left(9, 2));
  Deliver(session, "<message id='9-left-again'/>", left(9, 2));
  Deliver(session, "<message id='end'/>");
  EXPECT_EQ(client.Until("<message id='end'/>"),
            "<message id='8'/><message id='10'/><message id='9-left'/><message id='end'/>");
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
  Deliver(session, "<iq id='1' type='late-unmarked'/>", answers);
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

}  // namespace
}  // namespace parley::c2s::testing
