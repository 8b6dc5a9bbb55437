#include "services/c2s/session/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/session/asked.h"
#include "services/c2s/testing/client.h"
#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kRomeo[] = "romeo@example.org/orchard";
constexpr char kJuliet[] = "juliet@example.org/balcony";

Envelope Iq(link::v1::Type type, const std::string& id, const std::string& from, const std::string& to) {
  static std::uint64_t number = 100;
  Envelope envelope;
  envelope.set_kind(link::v1::KIND_IQ);
  envelope.set_type(type);
  envelope.set_id(id);
  envelope.set_from(from);
  envelope.set_to(to);
  envelope.set_origin("session of " + from);
  envelope.set_origin_seq(++number);
  return envelope;
}

std::vector<std::string> Ids(std::vector<Requests::Request> requests) {
  std::vector<std::string> ids;
  for (const auto& request : requests) ids.push_back(request.id);
  return ids;
}

TEST(RequestsTest, AreKeptUntilTheirAnswer) {
  Requests requests;
  for (const std::string id : {"1", "2", "3"}) requests.Note({id, kJuliet}, 10000);
  requests.Note({"2", "juliet@example.org/other"}, 10000);
  EXPECT_TRUE(requests.Answer(Iq(link::v1::TYPE_RESULT, "1", kRomeo, kJuliet)));
  EXPECT_TRUE(requests.Answer(Iq(link::v1::TYPE_ERROR, "2", kRomeo, kJuliet)));
  EXPECT_FALSE(requests.Answer(Iq(link::v1::TYPE_RESULT, "2", kRomeo, kJuliet)));  // a second time
  EXPECT_FALSE(requests.Answer(Iq(link::v1::TYPE_GET, "3", kRomeo, kJuliet)));     // a request of its own
  EXPECT_FALSE(requests.Answer(Iq(link::v1::TYPE_RESULT, "3", kRomeo, "nurse@example.org/x")));
  EXPECT_THAT(Ids(requests.Take()), ElementsAre("3", "2"));
  EXPECT_THAT(requests.Take(), IsEmpty());
}

TEST(RequestsTest, AnAnswerIsOnItsWayUntilItIsTaken) {
  Requests requests;
  for (const std::string id : {"1", "2"}) requests.Note({id, kJuliet}, 10000);
  Envelope answer = Iq(link::v1::TYPE_RESULT, "2", kRomeo, kJuliet);
  answer.set_origin_seq(7);
  ASSERT_NE(requests.Answer(answer), nullptr);
  session::v1::QueueHeader header;
  requests.Fill(header, [](const Requests::Request&) { return true; });
  ASSERT_EQ(header.asked_size(), 1);
  ASSERT_EQ(header.answering_size(), 1);
  EXPECT_EQ(header.answering(0).id(), "2");
  EXPECT_EQ(header.answering(0).answer(), 7u);
  EXPECT_EQ(requests.Answer(answer), nullptr);  // sent again
  EXPECT_FALSE(requests.Settle(6));
  EXPECT_EQ(requests.Settle(7)->id, "2");
  EXPECT_FALSE(requests.Settle(7));
  EXPECT_THAT(Ids(requests.Take()), ElementsAre("1"));
}

TEST(RequestsTest, OnlyWhatSomebodyWaitsForIsOne) {
  EXPECT_TRUE(IsRequestOfOthers(Iq(link::v1::TYPE_GET, "1", kJuliet, kRomeo)));
  EXPECT_FALSE(IsRequestOfOthers(Iq(link::v1::TYPE_RESULT, "1", kJuliet, kRomeo)));
  Envelope push = Iq(link::v1::TYPE_SET, "push", "romeo@example.org", kRomeo);
  push.clear_origin();
  EXPECT_FALSE(IsRequestOfOthers(push));
  Envelope message = Iq(link::v1::TYPE_NORMAL, "m", kJuliet, kRomeo);
  message.set_kind(link::v1::KIND_MESSAGE);
  EXPECT_FALSE(IsRequestOfOthers(message));
}

TEST(RequestsTest, TheOldestAreForgottenWhenThereAreTooMany) {
  Requests requests;
  EXPECT_THAT(requests.Note({"1", kJuliet}, 250), IsEmpty());
  EXPECT_THAT(requests.Note({"2", kJuliet}, 250), IsEmpty());
  EXPECT_THAT(Ids(requests.Note({"3", kJuliet}, 250)), ElementsAre("1"));
  EXPECT_THAT(Ids(requests.Note({std::string(1000, 'i'), kJuliet}, 250)),
              ElementsAre("2", "3", std::string(1000, 'i')));
  EXPECT_THAT(Ids(requests.Take()), IsEmpty());
  requests.Note({"4", kJuliet}, 250);
  EXPECT_THAT(Ids(requests.Take()), ElementsAre("4"));
}

// At the edge, with and without stream management.
class UnansweredTest : public SmTest {
 protected:
  // What juliet's client asks of romeo's.
  void Ask(const std::string& session, const std::string& id) {
    const std::string stanza =
        "<iq type='get' id='" + id + "' from='" + kJuliet + "' to='" + kRomeo + "'><q xmlns='a:b'/></iq>";
    Deliver(session, stanza,
            [&](Envelope& envelope) { envelope.MergeFrom(Iq(link::v1::TYPE_GET, id, kJuliet, kRomeo)); });
  }
  std::vector<Envelope> Sent() {
    return edge_.OnLoop([this] {
      std::vector<Envelope> sent;
      for (const auto& got : edge_.router().got) sent.push_back(got.envelope);
      return sent;
    });
  }
  static std::string Answer(const std::string& id) {
    return "<iq type='result' id='" + id + "' to='" + kJuliet + "'/>";
  }
  // Ids of the requests that Redis has for the first session, which has no queue.
  std::vector<std::string> Noted() {
    storage::Reply reply;
    for (int number = 1; number < 10; ++number) {
      const std::string asked = edge_.redis().Call({"HGET", Key(), std::to_string(number)});
      if (asked.empty() || asked == "(nil)") continue;
      reply.items.emplace_back().text = std::to_string(number);
      reply.items.emplace_back().text = asked;
    }
    std::vector<std::string> ids;
    for (const auto& asked : session::DecodeAsked(reply)) {
      EXPECT_EQ(asked.from(), kJuliet);
      EXPECT_EQ(asked.origin(), std::string("session of ") + kJuliet);
      ids.push_back(asked.id());
    }
    return ids;
  }
  std::string Key() { return session::AskedKey("romeo@example.org", SessionId()); }
  // Those that the header of the queue names.
  std::vector<std::string> Asked() {
    std::vector<std::string> ids;
    const auto contents = Contents();
    for (const auto& asked : contents.header.asked()) ids.push_back(asked.id());
    return ids;
  }
};

// Should this edge die, a router answers what it finds.
TEST_F(UnansweredTest, AreInRedisUntilTheirAnswer) {
  Client client(edge_.port());
  client.Start();
  for (const std::string id : {"1", "2", "3"}) Ask(SessionId(), id);
  ASSERT_TRUE(AwaitSettled(3)) << "taken once Redis has them";
  EXPECT_THAT(Noted(), ElementsAre("1", "2", "3"));
  client.Send(Answer("2"));
  ASSERT_TRUE(AwaitArrived(1));
  ASSERT_TRUE(edge_.Eventually([&, key = Key()] { return edge_.redis().Call({"HLEN", key}) == "2"; }));
  EXPECT_THAT(Noted(), ElementsAre("1", "3"));
  client.Send("</stream:stream>");
  ASSERT_TRUE(AwaitArrived(4));
  EXPECT_TRUE(Sent()[3].has_session_ended());
  EXPECT_EQ(edge_.redis().Call({"EXISTS", Key()}), "0");
}

// Else a router that answers for an edge that dies then answers once more.
TEST_F(UnansweredTest, AnAnswerGoesOnOnceRedisKnowsOfIt) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold = true; });
  std::vector<std::string> ids;
  for (std::size_t i = 1; i <= 20; ++i) ids.push_back(std::to_string(i));
  for (const auto& id : ids) Ask(SessionId(), id);
  for (std::size_t i = 0; i < ids.size(); ++i) client.Until("</iq>");
  std::vector<std::string> noted;
  edge_.OnLoop([&, key = Key()] {
    edge_.router().on_envelope = [this, key, &noted](const rpc::Envelope& answer) {
      if (edge_.redis().Call({"HGET", key, "a" + answer.id()}) == std::to_string(answer.origin_seq()))
        noted.push_back(answer.id());
    };
  });
  for (const auto& id : ids) client.Send(Answer(id));
  ASSERT_TRUE(AwaitArrived(ids.size()));
  edge_.OnLoop([this] { edge_.router().on_envelope = nullptr; });
  EXPECT_EQ(noted, ids);
}

// Its client would not hear of it, and who asked would wait for ever.
TEST_F(UnansweredTest, AnAnswerThatNoRouterTakesIsSentAgain) {
  Client client(edge_.port());
  client.Start();
  Ask(SessionId(), "1");
  client.Until("</iq>");
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_OVERLOADED; });
  client.Send(Answer("1"));
  ASSERT_TRUE(AwaitArrived(1));
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_UNSPECIFIED; });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Sent()[1].id(), "1");
  EXPECT_EQ(Sent()[1].to(), kJuliet);
  EXPECT_TRUE(Sent()[1].repeat());
}

TEST_F(UnansweredTest, AnAnswerOfAManagedClientGoesOnOnceItsQueueKnowsOfIt) {
  Client client(edge_.port());
  const std::string session = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  std::vector<std::string> ids;
  for (std::size_t i = 1; i <= 20; ++i) ids.push_back(std::to_string(i));
  for (const auto& id : ids) Ask(session, id);
  client.Until("id='20'");
  std::vector<std::string> noted;
  edge_.OnLoop([&] {
    edge_.router().on_envelope = [&](const rpc::Envelope& answer) {
      const auto contents = Contents();
      for (const auto& asked : contents.header.answering()) {
        if (asked.id() == answer.id() && asked.answer() == answer.origin_seq()) noted.push_back(answer.id());
      }
    };
  });
  for (const auto& id : ids) client.Send(Answer(id));
  ASSERT_TRUE(AwaitArrived(ids.size()));
  edge_.OnLoop([this] { edge_.router().on_envelope = nullptr; });
  EXPECT_EQ(noted, ids);
}

// Its answer is told from the error that a router gives in its place by that number.
TEST_F(UnansweredTest, AnAnswerThatIsTakenIsForgotten) {
  Client client(edge_.port());
  const std::string session = Enable(client);
  Ask(session, "1");
  client.Until("id='1'");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>" + Answer("1"));
  ASSERT_TRUE(AwaitArrived(1));
  Ask(session, "2");
  client.Until("id='2'");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  ASSERT_TRUE(edge_.Eventually([&] { return Asked() == std::vector<std::string>{"2"}; }));
  EXPECT_EQ(Contents().header.answering_size(), 0);
}

TEST_F(UnansweredTest, AnAnswerThatIsTakenAfterTheEndIsForgottenToo) {
  Client client(edge_.port());
  client.Start();
  Ask(SessionId(), "1");
  client.Until("</iq>");
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send(Answer("1") + "</stream:stream>");
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(edge_.redis().Call({"HLEN", Key()}), "2");
  edge_.OnLoop([this] {
    for (std::size_t i = 0; i < edge_.router().got.size(); ++i) edge_.router().Acknowledge(i);
  });
  EXPECT_TRUE(edge_.Eventually([&, key = Key()] { return edge_.redis().Call({"EXISTS", key}) == "0"; }));
}

// The router that ends the session answers, should it never come.
TEST_F(UnansweredTest, AnAnswerThatIsNotTakenAtTheEndIsInTheHeader) {
  Client client(edge_.port());
  const std::string session = Enable(client);
  Ask(session, "1");
  client.Until("id='1'");
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send(Answer("1") + "</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  EXPECT_EQ(Contents().header.answering_size(), 1);
}

TEST_F(UnansweredTest, AreNotAnsweredHereOnceARouterHasTakenThem) {
  Client client(edge_.port());
  client.Start();
  Ask(SessionId(), "1");
  ASSERT_TRUE(AwaitSettled(1));
  const std::string aside = session::TakenKey("romeo@example.org", SessionId(), "router");
  const std::string& script = session::TakeAskedAsideScript().source();
  EXPECT_THAT(edge_.redis().Call({"EVAL", script, "2", Key(), aside, "60000"}), Not(IsEmpty()));
  client.connection().Reset();
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_TRUE(Sent()[0].has_session_ended());
  EXPECT_THAT(edge_.redis().Call({"EVAL", script, "2", Key(), aside, "60000"}), Not(IsEmpty())) << "the same may ask";
  EXPECT_EQ(edge_.redis().Call({"EVAL", script, "2", Key(), aside + "-2", "60000"}), "");
}

TEST_F(UnansweredTest, MovesFromTheHashToTheHeaderWhenManagementBegins) {
  Client client(edge_.port());
  client.Start();
  Ask(SessionId(), "1");
  ASSERT_TRUE(AwaitSettled(1));
  client.Send(kEnable);
  client.Until("<enabled");
  ASSERT_TRUE(edge_.Eventually([&] { return Asked() == std::vector<std::string>{"1"}; }));
  EXPECT_EQ(edge_.redis().Call({"EXISTS", Key()}), "0");
}

TEST_F(UnansweredTest, WhatWasAcknowledgedIsInTheHeaderUntilItsAnswer) {
  Client client(edge_.port());
  const std::string session = Enable(client);
  for (const std::string id : {"1", "2", "3"}) Ask(session, id);
  client.Until("id='3'");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  ASSERT_TRUE(edge_.Eventually([&] { return Asked() == std::vector<std::string>{"1", "2"}; }));
  EXPECT_EQ(edge_.redis().Call({"EXISTS", Key()}), "0");
  client.Send(Answer("1"));
  ASSERT_TRUE(edge_.Eventually([&] { return Asked() == std::vector<std::string>{"2"}; }));
  client.Send(Answer("3"));  // not acknowledged
  ASSERT_TRUE(edge_.Eventually([&] { return Contents().header.replied_size() == 1; }));
  EXPECT_EQ(Contents().header.replied(0), 3);
}

TEST_F(UnansweredTest, AreAnsweredWhenTheConnectionBreaks) {
  Client client(edge_.port());
  client.Start();
  for (const std::string id : {"1", "2", "3"}) {
    Ask(SessionId(), id);
    client.Until("</iq>");
  }
  client.Send(Answer("2"));
  ASSERT_TRUE(AwaitArrived(1));
  client.connection().Reset();
  ASSERT_TRUE(AwaitArrived(4));
  const auto sent = Sent();
  EXPECT_EQ(sent[0].id(), "2");
  EXPECT_EQ(sent[1].id(), "1");
  EXPECT_EQ(sent[2].id(), "3");
  for (const auto& answer : {sent[1], sent[2]}) {
    EXPECT_EQ(answer.type(), link::v1::TYPE_ERROR);
    EXPECT_EQ(answer.leg(), link::v1::LEG_INBOUND);
    EXPECT_EQ(answer.from(), kRomeo);
    EXPECT_EQ(answer.to(), kJuliet);
    EXPECT_THAT(answer.stanza(), HasSubstr("<service-unavailable"));
  }
  EXPECT_TRUE(sent[3].has_session_ended());
}

TEST_F(UnansweredTest, AreAnsweredHoweverTheStreamEnds) {
  for (const std::string end : {"</stream:stream>", "<a xmlns='b:c'/>"}) {
    const std::size_t before = Sent().size();
    Client client(edge_.port());
    client.Start();
    Ask(edge_.OnLoop([this] { return edge_.router().asks.back().bind().session(); }), "1");
    client.Until("</iq>");
    client.Send(end);
    ASSERT_TRUE(AwaitArrived(before + 2)) << end;
    EXPECT_EQ(Sent()[before].type(), link::v1::TYPE_ERROR) << end;
  }
}

// The router answers what is in the queue.
TEST_F(UnansweredTest, OfAClientWithManagementOnlyWhatItAcknowledged) {
  Client client(edge_.port());
  const std::string session = Enable(client);
  Ask(session, "1");
  Ask(session, "2");
  client.Until("id='2'");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/></stream:stream>");
  ASSERT_TRUE(AwaitArrived(2));
  const auto sent = Sent();
  EXPECT_EQ(sent[0].id(), "1");
  EXPECT_EQ(sent[0].type(), link::v1::TYPE_ERROR);
  EXPECT_TRUE(sent[1].has_session_ended());
}

TEST_F(UnansweredTest, WhatWasAnsweredWithoutAcknowledgementIsNoted) {
  Client client(edge_.port());
  const std::string session = Enable(client);
  for (const std::string id : {"1", "2", "3"}) Ask(session, id);
  client.Until("id='3'");
  client.Send(Answer("2") + "<a xmlns='urn:xmpp:sm:3' h='1'/></stream:stream>");
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_TRUE(Sent()[2].has_session_ended());
  EXPECT_THAT(Contents().header.replied(), ElementsAre(2));
}

TEST_F(UnansweredTest, AnAwaySessionMayYetAnswer) {
  Client client(edge_.port());
  const std::string session = Enable(client);
  Ask(session, "1");
  client.Until("id='1'");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  client.Sync();
  client.connection().Reset();
  ASSERT_TRUE(AwaitSessions("away", 1));
  Client again(edge_.port());
  Resume(again, session, 2);  // with the answer to Sync
  again.Send(Answer("1") + "</stream:stream>");
  ASSERT_TRUE(AwaitArrived(2));
  const auto sent = Sent();
  EXPECT_EQ(sent[0].type(), link::v1::TYPE_RESULT);
  EXPECT_TRUE(sent[1].has_session_ended());
}

}  // namespace
}  // namespace parley::c2s::testing
