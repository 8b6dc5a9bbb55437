#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/generator/circle.h"
#include "bench/generator/connection.h"
#include "bench/generator/histogram.h"
#include "bench/generator/mark.h"
#include "bench/generator/report.h"
#include "bench/generator/scram.h"
#include "bench/generator/stanzas.h"
#include "bench/generator/stats.h"

namespace parley::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(HistogramTest, PercentilesAreWithinTwoPercent) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 100000; ++value) histogram.Record(value * 1000);
  EXPECT_NEAR(histogram.Percentile(0.5), 50e6, 1e6);
  EXPECT_NEAR(histogram.Percentile(0.99), 99e6, 2e6);
  EXPECT_EQ(histogram.Percentile(1), 100000000u);
  const Histogram copy = Histogram::FromJson(histogram.ToJson());
  EXPECT_EQ(copy.count(), 100000u);
  EXPECT_EQ(copy.Percentile(0.99), histogram.Percentile(0.99));
}

std::vector<std::string> ReadInPieces(std::string_view text, std::size_t piece) {
  StanzaReader reader;
  std::vector<std::string> children;
  while (!text.empty()) {
    reader.Feed(text.substr(0, piece), [&](const Stanza& stanza) {
      children.emplace_back(stanza.text);
      return true;
    });
    text.remove_prefix(std::min(piece, text.size()));
  }
  return children;
}

TEST(StanzaReaderTest, FindsChildrenHoweverTheyArrive) {
  constexpr std::string_view kStream =
      "<?xml version='1.0'?><stream:stream id='a>b' xmlns='jabber:client'>"
      "<stream:features><bind xmlns='x'/></stream:features> \n<a/><b c='>'>d<e></e></b>";
  for (std::size_t piece = 1; piece < kStream.size() + 1; ++piece) {
    EXPECT_THAT(ReadInPieces(kStream, piece),
                ElementsAre("<stream:features><bind xmlns='x'/></stream:features>", "<a/>", "<b c='>'>d<e></e></b>"));
  }
}

TEST(StanzaReaderTest, SeesTheEndOfTheStream) {
  StanzaReader reader;
  EXPECT_FALSE(reader.Feed("<stream:stream></stream:stream>", [](const Stanza&) { return true; }));
}

TEST(StanzaTest, AttributesAndText) {
  const Stanza stanza{"<message xml:id='no' id=\"yes\" type='chat'><body>hello</body><jid/></message>", "message"};
  EXPECT_EQ(stanza.Attribute("id"), "yes");
  EXPECT_EQ(stanza.Attribute("type"), "chat");
  EXPECT_EQ(stanza.Attribute("from"), "");
  EXPECT_EQ(stanza.Text("body"), "hello");
  EXPECT_EQ(stanza.Text("jid"), "");
}

TEST(FlowTest, TellsLossRepetitionAndDisorder) {
  Stats stats;
  Flow flow;
  for (int i = 0; i < 6; ++i) flow.Next();
  EXPECT_TRUE(flow.Arrive(1, stats));
  EXPECT_TRUE(flow.Arrive(3, stats));
  EXPECT_TRUE(flow.Arrive(2, stats));
  EXPECT_FALSE(flow.Arrive(3, stats));
  EXPECT_TRUE(flow.Arrive(5, stats));
  EXPECT_FALSE(flow.settled());
  flow.CountLost(stats);
  EXPECT_EQ(stats.reordered, 1u);
  EXPECT_EQ(stats.repeated, 1u);
  EXPECT_EQ(stats.lost, 2u);  // 4 and 6
}

TEST(PresenceFlowTest, OneRepeatOfTheLatestIsTheAnswerToTheProbe) {
  Stats stats;
  PresenceFlow flow;
  EXPECT_TRUE(flow.Arrive(1, stats));
  EXPECT_FALSE(flow.Arrive(1, stats));
  EXPECT_EQ(stats.repeated, 0u);
  EXPECT_FALSE(flow.Arrive(1, stats));
  EXPECT_TRUE(flow.Arrive(2, stats));
  EXPECT_FALSE(flow.Arrive(2, stats));
  EXPECT_EQ(stats.repeated, 2u);
}

TEST(PresenceFlowTest, AnOlderOneIsNoAnswer) {
  Stats stats;
  PresenceFlow flow;
  EXPECT_TRUE(flow.Arrive(1, stats));
  EXPECT_TRUE(flow.Arrive(2, stats));
  EXPECT_FALSE(flow.Arrive(1, stats));
  EXPECT_EQ(stats.repeated, 1u);
}

TEST(ReportTest, TextTellsWhatIdlingCostsAndWhoCameAgain) {
  Options options;
  options.scenario = "idle";
  options.connections = 10;
  Outcome outcome;
  outcome.seconds = 1;
  outcome.hold_seconds = 2;
  outcome.processes = {{"server", {}, {}, {}, 0.05}};
  outcome.stats.tls_resumed = 7;
  outcome.stats.retried = 3;
  const std::string text = ToText(ToJson(options, outcome));
  EXPECT_THAT(text, HasSubstr("idle       2.50 % of a core"));
  EXPECT_THAT(text, HasSubstr("7 TLS sessions resumed, 3 refused and came again"));
  outcome.hold_seconds = 0;
  EXPECT_THAT(ToText(ToJson(options, outcome)), Not(HasSubstr("% of a core"))) << "nobody idled";
}

TEST(MarkTest, SurvivesTheJourney) {
  const Mark mark{31, 4711, Now()};
  const auto found = Mark::Find("<status>" + mark.ToString() + "</status>");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->flow, mark.flow);
  EXPECT_EQ(found->number, mark.number);
  EXPECT_EQ(found->due, mark.due);
  EXPECT_FALSE(Mark::Find("~1.2"));
  EXPECT_FALSE(Mark::Find(Mark({31, 4711, 1}).ToString())) << "left by an earlier run";
}

TEST(CircleTest, SlotsAreOnePerContactAndMutual) {
  const Circle circle(10, 4);
  for (std::uint32_t user = 0; user < 20; ++user) {
    std::set<std::uint32_t> slots;
    for (std::uint32_t other = 0; other < 20; ++other) {
      const auto slot = circle.SlotOf(user, other);
      EXPECT_EQ(slot.has_value(), circle.SlotOf(other, user).has_value());
      if (slot) {
        EXPECT_TRUE(slots.insert(*slot).second);
      }
    }
    EXPECT_THAT(slots, ElementsAre(0, 1, 2, 3));
    EXPECT_EQ(circle.SlotOf(user, circle.After(user, 1)), 0u);
  }
}

// RFC 5802 section 5.
TEST(ServerTest, LoopbackSourcesReachNothingElse) {
  EXPECT_TRUE(OnLoopback(ResolveServer("127.0.0.9:5222")));
  EXPECT_FALSE(OnLoopback(ResolveServer("192.0.2.1:5222")));
}

TEST(SaltedPasswordsTest, Pbkdf2) {
  SaltedPasswords salted("");
  const auto& key = salted.Get(Hash::kSha1, "pencil", FromBase64("QSXCR+Q6sek8bf92"), 4096);
  EXPECT_EQ(Base64(key), "HZbuOlKbWl+eR8AfIposuKbhX30=");
}

}  // namespace
}  // namespace parley::bench
