// Sessions that are claimed from another edge (XEP-0198 section 5).
#include "libs/base/ids.h"
#include "libs/session/acknowledged.h"
#include "services/c2s/testing/resume_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ResumeTest, ClaimsASessionThatAnotherEdgeLeft) {
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_acked(4294967294);
        header.set_handled(12);
        header.set_base(2);
      },
      {Queued("a"), Queued("b", "origin", 5), Queued("c")});
  Client client(edge_.port());
  // Of 4294967295, 4294967296 and 4294967297 it got the first two.
  EXPECT_EQ(Resume(client, "left", 0), "<resumed xmlns='urn:xmpp:sm:3' previd='left' h='10'/>");
  EXPECT_EQ(client.Until(Message("c")), Message("c"));
  const auto asked = edge_.OnLoop([this] { return edge_.router().asks.back().resume(); });
  EXPECT_EQ(asked.account(), "romeo@example.org");
  EXPECT_EQ(asked.session(), "left");
  EXPECT_EQ(asked.node(), edge_.instance());
  EXPECT_EQ(asked.mechanism(), "PLAIN");
  // A repeat of what is in the queue, and of nothing that was there.
  const auto repeat = [](std::uint64_t seq) {
    return [seq](link::v1::Envelope& envelope) {
      envelope.set_origin("origin");
      envelope.set_origin_seq(seq);
      envelope.set_repeat(true);
    };
  };
  Deliver("left", Message("b"), repeat(5));
  Deliver("left", Message("d"), repeat(6));
  EXPECT_EQ(client.Until(Message("d")), Message("d"));
  // What the client sends again may have been passed on already: the receivers are to look.
  client.Send("<message to='juliet@example.org' id='again'/>");
  ASSERT_TRUE(AwaitArrived(1));
  const auto again = edge_.OnLoop([this] { return edge_.router().got.back().envelope; });
  EXPECT_EQ(again.origin(), "left");
  EXPECT_EQ(again.origin_seq(), 13u);
  EXPECT_TRUE(again.repeat());
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
  EXPECT_EQ(Contents().header.acked(), 4294967298u);
}

TEST_F(ResumeTest, ASmallerAcknowledgementFromBeforeTheWrapIsIgnored) {
  Leave([](session::v1::QueueHeader& header) { header.set_acked((std::uint64_t{1} << 32) + 1); }, {Queued("a")});
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", UINT32_MAX), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("a")), Message("a"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='4294967295'/>");
  EXPECT_EQ(client.Sync().find("stream:error"), std::string::npos);
  EXPECT_EQ(Contents().header.acked(), (std::uint64_t{1} << 32) + 1);
}

// Of the client's stanzas since <enable/>, which came behind two others: 2^32 + 1 are handled.
TEST_F(ResumeTest, WhatTheServerHasHandledWrapsAround) {
  constexpr std::uint64_t kBase = 2;
  constexpr std::uint64_t kHandled = kBase + (std::uint64_t{1} << 32) + 1;
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_handled(kHandled);
        header.set_base(kBase);
        header.set_settled(true);
      },
      {});
  Client client(edge_.port());
  EXPECT_EQ(Resume(client, "left", 0), "<resumed xmlns='urn:xmpp:sm:3' previd='left' h='1'/>");
  client.Send(std::string("<message to='juliet@example.org'/>") + kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.origin_seq(); }), kHandled + 1);
  EXPECT_EQ(Contents().header.handled(), kHandled + 1);
}

// From what its counter can hold to 0.
TEST_F(ResumeTest, WhatTheServerHandlesWrapsAroundUnderWay) {
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_handled(UINT32_MAX);
        header.set_settled(true);
      },
      {});
  Client client(edge_.port());
  EXPECT_EQ(Resume(client, "left", 0), "<resumed xmlns='urn:xmpp:sm:3' previd='left' h='4294967295'/>");
  client.Send(std::string("<message to='juliet@example.org'/>") + kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='0'/>");
}

TEST_F(ResumeTest, RecognisesRepeatsOfWhatWasAcknowledgedElsewhere) {
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_settled(true);
        auto& seen = *header.add_seen();
        seen.set_origin(StableHash("origin"));
        seen.set_seq(5);
      },
      {});
  Client client(edge_.port());
  Resume(client, "left", 0);
  const auto repeat = [](std::uint64_t seq) {
    return [seq](link::v1::Envelope& envelope) {
      envelope.set_origin("origin");
      envelope.set_origin_seq(seq);
      envelope.set_repeat(true);
    };
  };
  Deliver("left", Message("5"), repeat(5));
  Deliver("left", Message("6"), repeat(6));
  EXPECT_EQ(client.Until("/>"), Message("6"));
  // It was left in order: nothing that the client sends is a repeat.
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_FALSE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
}

// A router stood still with it, and what its origin said next came by another.
TEST_F(ResumeTest, TakesARepeatThatIsOnlyOlderThanWhatWasAcknowledgedElsewhere) {
  Leave(
      [](session::v1::QueueHeader& header) {
        auto& seen = *header.add_seen();
        seen.set_origin(StableHash("origin"));
        seen.set_seq(130);
        for (const std::uint64_t number : {70u, 130u}) session::NoteAcknowledged(seen, number, 4);
        auto& copies = *header.add_seen();
        copies.set_origin(session::OriginOfCopies(StableHash("origin")));
        session::NoteAcknowledged(copies, 69, 4);
      },
      {});
  Client client(edge_.port());
  Resume(client, "left", 0);
  const auto repeat = [](std::uint64_t seq, link::v1::Kind kind) {
    return [seq, kind](link::v1::Envelope& envelope) {
      envelope.set_kind(kind);
      envelope.set_origin("origin");
      envelope.set_origin_seq(seq);
      envelope.set_repeat(true);
    };
  };
  for (const std::uint64_t seq : {130u, 70u, 69u, 3u, 127u, 129u}) {
    Deliver("left", Message(std::to_string(seq)), repeat(seq, link::v1::KIND_MESSAGE));
  }
  // Of presence only the highest number is known.
  Deliver("left", "<presence id='126'/>", repeat(126, link::v1::KIND_PRESENCE));
  Deliver("left", Message("131"), repeat(131, link::v1::KIND_MESSAGE));
  EXPECT_EQ(client.Until(Message("131")), Message("127") + Message("129") + Message("131"));
}

// Its edge died while it was given what was stored; senders of the same edge sent that again, and the router put it
// into the queue. What is only older than what the client acknowledged may be new.
TEST_F(ResumeTest, TakesFromTheStoreAllButWhatIsInTheQueue) {
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_settled(true);
        auto& seen = *header.add_seen();
        seen.set_origin(StableHash("origin"));
        seen.set_seq(5);
      },
      {Queued("6", "origin", 6), Queued("100", "origin", 100)});
  Client client(edge_.port());
  Resume(client, "left", 0);
  const auto stored = [](std::uint64_t seq) {
    return [seq](link::v1::Envelope& envelope) {
      envelope.set_origin("origin");
      envelope.set_origin_seq(seq);
      envelope.set_repeat(true);
      envelope.set_kept(true);
    };
  };
  Deliver("left", Message("6-stored"), stored(6));
  Deliver("left", Message("4"), stored(4));
  Deliver("left", Message("end"), stored(7));
  EXPECT_EQ(client.Until(Message("end")), Message("6") + Message("100") + Message("4") + Message("end"));
}

// A request "q" was the client's first stanza, and its answer is in the queue that another edge left.
class AnsweredTest : public ResumeTest {
 protected:
  void ResumeWithTheAnswerToQ(Client& client) {
    auto answer = Queued("x");
    answer.set_kind(link::v1::KIND_IQ);
    answer.set_id("q");
    answer.set_answers(1);
    answer.set_stanza("<iq type='result' id='q'/>");
    Leave([](session::v1::QueueHeader&) {}, {answer});
    Resume(client, "left", 0);
    client.Until("<iq type='result' id='q'/>");
  }
};

TEST_F(AnsweredTest, ARequestWhoseAnswerIsInTheQueueIsNotAskedAgain) {
  Client client(edge_.port());
  ResumeWithTheAnswerToQ(client);
  client.Send("<iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq><message to='juliet@example.org'/>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 1u);
}

TEST_F(AnsweredTest, APingOfTheServerThatAnotherEdgeAnsweredIsNotAnsweredAgain) {
  Client client(edge_.port());
  ResumeWithTheAnswerToQ(client);
  client.Send("<iq type='get' id='q' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='1'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 0u);
}

// The router answers what its client had asked at another edge, and is about to say again.
TEST_F(ResumeTest, ARequestThatIsAnsweredBeforeItsClientSaysItAgainIsNotAskedAgain) {
  Leave([](session::v1::QueueHeader& header) { header.set_handled(12); }, {});
  Client client(edge_.port());
  Resume(client, "left", 0);
  const std::string error = "<iq type='error' id='q'/>";
  Deliver("left", error, [](link::v1::Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_type(link::v1::TYPE_ERROR);
    envelope.set_id("q");
    envelope.set_answers(13);
  });
  client.Until(error);
  client.Send("<iq type='get' id='q' to='juliet@example.org/balcony'><q xmlns='a:b'/></iq>");
  client.Send("<message to='juliet@example.org' id='m'/>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='14'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 1u);
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.front().envelope.origin_seq(); }), 14u);
}

// Something sent before it is not handled yet, and the edge that had the session is gone.
TEST_F(ResumeTest, ARequestWhoseAnswerTheClientHasIsNotAskedAgain) {
  auto answer = Queued("x");
  answer.set_id("q");
  answer.set_answers(2);
  Leave([&](session::v1::QueueHeader& header) { *header.add_answered() = session::AnsweredBy(answer); }, {});
  Client client(edge_.port());
  Resume(client, "left", 0);
  client.Send("<message to='juliet@example.org'/><iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  client.Send("<message to='juliet@example.org'/>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='3'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 2u);
}

// RFC 6120 8.2.3: acknowledged at the other edge, or by "h".
TEST_F(ResumeTest, RequestsThatTheClientGotFromAnotherEdgeAreAnsweredAtTheEnd) {
  std::vector<link::v1::Envelope> queued;
  for (const std::string id : {"2", "3", "4"}) {
    auto& request = queued.emplace_back(Queued(id, "session of juliet", std::stoull(id)));
    request.set_kind(link::v1::KIND_IQ);
    request.set_type(link::v1::TYPE_GET);
    request.set_id(id);
    request.set_from("juliet@example.org/balcony");
  }
  const auto change = [](session::v1::QueueHeader& header) {
    header.set_acked(1);
    header.add_asked()->set_id("1");
    header.mutable_asked(0)->set_from("juliet@example.org/balcony");
    header.add_replied(3);
  };
  Leave(change, queued);
  Client client(edge_.port());
  Resume(client, "left", 4);
  client.Send("<iq type='result' id='4' to='juliet@example.org/balcony'/></stream:stream>");
  ASSERT_TRUE(AwaitArrived(4));
  const auto sent = edge_.OnLoop([this] {
    std::vector<std::string> ids;
    for (const auto& got : edge_.router().got) ids.push_back(got.envelope.id());
    return ids;
  });
  EXPECT_THAT(sent, ::testing::ElementsAre("4", "1", "2", "")) << "an answer, two errors, and that it has ended";
}

// The client had answered "q" at the other edge by its second stanza, which may not have arrived, nor the first.
class AnsweringTest : public ResumeTest {
 protected:
  void ResumeBehindTheAnswerToQ(Client& client) {
    const auto change = [](session::v1::QueueHeader& header) {
      auto& asked = *header.add_answering();
      asked.set_id("q");
      asked.set_from("juliet@example.org/balcony");
      asked.set_answer(2);
      header.add_asked()->set_id("unanswered");
      header.mutable_asked(0)->set_from("juliet@example.org/balcony");
    };
    Leave(change, {});
    EXPECT_THAT(Resume(client, "left", 0), HasSubstr("h='0'"));
  }
  std::vector<link::v1::Envelope> Sent() {
    return edge_.OnLoop([this] {
      std::vector<link::v1::Envelope> sent;
      for (const auto& got : edge_.router().got) sent.push_back(got.envelope);
      return sent;
    });
  }
};

TEST_F(AnsweringTest, AllThatTheClientSendsAgainGoesOn) {
  Client client(edge_.port());
  ResumeBehindTheAnswerToQ(client);
  client.Send("<message to='juliet@example.org' id='before'/>");
  client.Send("<iq type='result' id='q' to='juliet@example.org/balcony'/>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  const auto sent = Sent();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].id(), "before");
  EXPECT_TRUE(sent[0].repeat());
  EXPECT_EQ(sent[1].id(), "q");
  EXPECT_EQ(sent[1].origin_seq(), 2u);
  EXPECT_TRUE(sent[1].repeat());
  EXPECT_EQ(Contents().header.answering_size(), 0) << "it has arrived";
}

// Who asked would take it for a repeat of the answer.
TEST_F(AnsweringTest, WhatWeSayForTheClientHasANumberOfItsOwn) {
  Client client(edge_.port());
  ResumeBehindTheAnswerToQ(client);
  client.Send("</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  const auto sent = Sent();
  EXPECT_EQ(sent[0].id(), "unanswered");
  EXPECT_EQ(sent[0].origin_seq(), 3u);
}

TEST_F(ResumeTest, DeliveriesThatComeBeforeTheQueueIsReadFollowIt) {
  Leave([](session::v1::QueueHeader&) {}, {Queued("queued")});
  edge_.OnLoop([this] {
    const auto make = edge_.router().on_ask;
    edge_.router().on_ask = [this, make](const session::v1::Ask& ask) {
      make(ask);
      if (ask.has_resume()) edge_.router().Deliver("left", Message("early"));
    };
  });
  Client client(edge_.port());
  Resume(client, "left", 0);
  EXPECT_EQ(client.Until(Message("early")), Message("queued") + Message("early"));
}

}  // namespace
}  // namespace parley::c2s::testing
