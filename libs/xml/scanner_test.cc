#include "libs/xml/scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "libs/xml/recorder.h"
#include "libs/xml/scan_support.h"

namespace parley::xml {
namespace {

using testing::ElementsAre;

TEST(ScannerTest, ReportsHeaderChildrenAndClose) {
  const ScanResult result =
      Scan({std::string(kHeader) +
            " \n<message to='a' id=\"&lt;\"><body>x</body></message><presence/>\t</stream:stream >\n"});
  EXPECT_EQ(result.status, Scanner::Status::kMore);
  EXPECT_FALSE(result.incomplete);
  EXPECT_THAT(
      result.events,
      ElementsAre("open {http://etherx.jabber.org/streams}stream stream:stream [xmlns=jabber:client] "
                  "[xmlns:stream=http://etherx.jabber.org/streams] [xmlns:s=urn:s] [to=example.org] [version=1.0] " +
                      std::string(kHeader.substr(21)),
                  "child {jabber:client}message message [to=a] [id=&lt;] <message to='a' id=\"&lt;\"> payload "
                  "{jabber:client}body = <message to='a' id=\"&lt;\"><body>x</body></message>",
                  "child {jabber:client}presence presence <presence/> = <presence/>", "close"));
}

TEST(ScannerTest, EverySplitGivesTheSame) {
  for (const std::string_view stanzas :
       {"<message to='a' xml:lang='de'><body>hi &amp; &#x1F600; ü€😀 ]] ]</body><x xmlns='urn:x' a='b'/></message> <a/>",
        "<s:a s:x='1' x=\"2\"><p:b xmlns:p='urn:&#112;'/></s:a><q><![CDATA[<a>]]]]>x</q></stream:stream>\n ",
        "<a><b><c/><d></d></b></a><a></b>", "<a b='c' b='d'/>", "<a>&foo;</a>", "<a>]]></a>", "<a>\xC3(</a>",
        "<iq type='set'><p:q xmlns:p='u&lt;' p:z='1'><p:r/></p:q></iq><!-- x --><a/>", "<a><?pi x?></a>", "text",
        "<a/></stream:stream>more", "<\xC3\xA4\xC2\xB7 \xC3\xBC='\xE2\x82\xAC\t\n'/>",
        "<a><![CDATA[]]></a><![CDATA[ ]]>"}) {
    const std::string document = std::string(kHeader) + std::string(stanzas);
    const std::string_view all = document;
    const ScanResult whole = Scan({all});
    EXPECT_EQ(whole, Scan(Bytes(all)));
    for (std::size_t i = 0; i <= all.size(); ++i) {
      EXPECT_EQ(whole, Scan({all.substr(0, i), all.substr(i)})) << document << " at " << i;
      const std::size_t j = std::min(i + 7, all.size());
      EXPECT_EQ(whole, Scan({all.substr(0, i), all.substr(i, j - i), all.substr(j)})) << document << " at " << i;
    }
  }
}

TEST(ScannerTest, HeaderDeclarationsAreUsableInsideAndNoticed) {
  const auto events =
      Scan({std::string(kHeader) +
            "<a/><s:a/><a><s:b/></a><a s:b=''/><a><b xmlns:s='u'><s:c/></b></a><a xmlns='u'/>"
            "<p:a xmlns:p='jabber:client'/><p:a xmlns:p='u'/><a xmlns='jabber:client'/><a xml:lang='x'/>"})
          .events;
  std::vector<bool> uses;
  for (std::size_t i = 1; i < events.size(); ++i) uses.push_back(events[i].find(" uses-stream") != std::string::npos);
  EXPECT_THAT(uses, ElementsAre(false, true, true, true, false, true, false, true, false, false));
}

TEST(ScannerTest, KeepsTheHeadersNamespaces) {
  Scanner scanner((Limits()));
  Recorder recorder;
  std::size_t consumed = 0;
  EXPECT_TRUE(scanner.stream_namespaces().empty());
  scanner.Feed("<x:y xmlns:x='a&amp;b' xmlns='jabber:client'>", recorder, consumed);
  ASSERT_EQ(scanner.stream_namespaces().size(), 2u);
  EXPECT_EQ(scanner.stream_namespaces()[0].prefix, "x");
  EXPECT_EQ(scanner.stream_namespaces()[0].uri, "a&b");
  EXPECT_EQ(scanner.stream_namespaces()[1].prefix, "");
  EXPECT_EQ(scanner.stream_namespaces()[1].uri, "jabber:client");
}

TEST(ScannerTest, PayloadIsTheFirstChild) {
  const auto events =
      Scan({std::string(kHeader) + "<a>x<b xmlns='urn:&#98;'><c/></b><d/></a><a xmlns:p='urn:p'><p:b/></a>"}).events;
  ASSERT_EQ(events.size(), 3u);
  EXPECT_NE(events[1].find(" payload {urn:b}b "), std::string::npos) << events[1];
  EXPECT_NE(events[2].find(" payload {urn:p}b "), std::string::npos) << events[2];
}

TEST(ScannerTest, TextBetweenChildrenHasItsOwnFault) {
  EXPECT_EQ(Scan({"<a>x"}).fault, Fault::kStrayText);
  EXPECT_EQ(Scan({"<a> <b/>\n&lt;"}).fault, Fault::kStrayText);
  EXPECT_EQ(Scan({"<a>\x01"}).fault, Fault::kNotWellFormed);
  EXPECT_EQ(Scan({"<a>\xFF"}).fault, Fault::kUnsupportedEncoding);
  EXPECT_EQ(Scan({"x<a>"}).fault, Fault::kNotWellFormed);
  EXPECT_EQ(Scan({"<a></a>x"}).fault, Fault::kNotWellFormed);
}

TEST(ScannerTest, AnEmptyStreamElementOpensAndCloses) {
  EXPECT_THAT(Scan({"<a/>"}).events, ElementsAre("open {}a a <a/>", "close"));
  EXPECT_EQ(Scan({"<a/>x"}).fault, Fault::kNotWellFormed);
}

TEST(ScannerTest, StopsAfterTheChildAndStartsAgain) {
  Scanner scanner((Limits()));
  Recorder recorder;
  recorder.scanner = &scanner;
  recorder.stop_at = "starttls";
  const std::string first = std::string(kHeader) + "<a/><starttls/>";
  const std::string rest = "\x16\x03\x01";
  std::size_t consumed = 0;
  EXPECT_EQ(scanner.Feed(first + rest, recorder, consumed), Scanner::Status::kStopped);
  EXPECT_EQ(consumed, first.size());
  EXPECT_EQ(recorder.events.size(), 3u);
  scanner.Restart();
  EXPECT_TRUE(scanner.stream_namespaces().empty());
  EXPECT_EQ(scanner.Feed(first, recorder, consumed), Scanner::Status::kStopped);
  EXPECT_EQ(recorder.events.size(), 6u);
  // Stopping does not end the stream.
  EXPECT_EQ(scanner.Feed("<b/>", recorder, consumed), Scanner::Status::kMore);
  EXPECT_EQ(recorder.events.size(), 7u);
}

TEST(ScannerTest, CountsWhatItTookOfAChildThatCameInPieces) {
  Scanner scanner((Limits()));
  Recorder recorder;
  recorder.scanner = &scanner;
  recorder.stop_at = "a";
  std::size_t consumed = 0;
  scanner.Feed(kHeader, recorder, consumed);
  EXPECT_EQ(scanner.Feed("<a>" + std::string(100, 'x'), recorder, consumed), Scanner::Status::kMore);
  EXPECT_EQ(scanner.Feed("</a>" + std::string(5000, 'y'), recorder, consumed), Scanner::Status::kStopped);
  EXPECT_EQ(consumed, 4u);
}

class Restarter : public Recorder {
 public:
  void OnChild(const Child& child) override {
    scanner->Restart();
    Recorder::OnChild(child);  // the views are still good
  }
};

TEST(ScannerTest, AHandlerMayRestart) {
  Scanner scanner((Limits()));
  Restarter handler;
  handler.scanner = &scanner;
  std::size_t consumed = 0;
  const std::string stream = "<?xml version='1.0'?><x:x xmlns:x='a long name of a namespace' xmlns='d'><x:auth/>";
  EXPECT_EQ(scanner.Feed(stream + stream, handler, consumed), Scanner::Status::kMore);
  ASSERT_EQ(handler.events.size(), 4u);
  EXPECT_EQ(handler.events[1], "child {a long name of a namespace}auth x:auth <x:auth/> uses-stream = <x:auth/>");
}

// Else all that follows would be taken for its children.
TEST(ScannerTest, RefusesASecondHeaderAtItsEnd) {
  for (const std::string_view header : {"<stream:stream>", "<stream:stream to='x'", "<stream:stream/>"}) {
    const bool complete = header.ends_with('>');
    EXPECT_EQ(FaultOf(header), complete ? std::optional(Fault::kSecondHeader) : std::nullopt) << header;
  }
  EXPECT_EQ(FaultOf("<a><stream:stream/></a><stream:features/>"), std::nullopt);
}

TEST(ScannerTest, KeepsToItsLimits) {
  const Limits limits{.max_stanza_bytes = 200, .max_header_bytes = 250, .max_depth = 3, .max_attributes = 5};
  const auto stanza = [](int size) { return "<a>" + std::string(size - 7, 'x') + "</a>"; };
  EXPECT_EQ(FaultOf(stanza(200), limits), std::nullopt);
  EXPECT_EQ(FaultOf(stanza(201), limits), Fault::kTooLarge);
  EXPECT_EQ(FaultOf("<a>" + std::string(197, 'x'), limits), Fault::kTooLarge);
  EXPECT_EQ(FaultOf("<a b='" + std::string(1000, 'x'), limits), Fault::kTooLarge);
  EXPECT_EQ(FaultOf(stanza(150) + stanza(150) + stanza(150), limits), std::nullopt);
  EXPECT_EQ(FaultOf("<a><b><c/></b></a>", limits), std::nullopt);
  EXPECT_EQ(FaultOf("<a><b><c><d/></c></b></a>", limits), Fault::kTooDeep);
  EXPECT_EQ(FaultOf("<a b='' c='' d='' e='' f=''/>", limits), std::nullopt);
  EXPECT_EQ(FaultOf("<a b='' c='' d='' e='' f='' g=''/>", limits), Fault::kTooManyAttributes);
  EXPECT_EQ(FaultOf("<a xmlns:b='u' xmlns:c='u' xmlns:d='u'><e xmlns:f='u' xmlns:g='u'/></a>", limits), std::nullopt);
  EXPECT_EQ(FaultOf("<a xmlns:b='u' xmlns:c='u' xmlns:d='u'><e xmlns:f='u' xmlns:g='u' xmlns:h='u'/></a>", limits),
            Fault::kTooManyAttributes);
  for (const std::string& start : {"<a b='" + std::string(300, 'x'), "<?xml " + std::string(300, ' ')}) {
    EXPECT_EQ(Scan({start}, limits).fault, Fault::kTooLarge);
    EXPECT_EQ(Scan(Bytes(start), limits).fault, Fault::kTooLarge);
  }
}

TEST(ScannerTest, HoldsNothingBetweenElements) {
  Scanner scanner((Limits()));
  Recorder recorder;
  std::size_t consumed = 0;
  const std::size_t fresh = scanner.memory();
  EXPECT_LE(fresh, 128u);
  scanner.Feed(kHeader, recorder, consumed);
  scanner.Feed("<a>" + std::string(50000, 'x'), recorder, consumed);
  EXPECT_TRUE(scanner.incomplete());
  EXPECT_GE(scanner.memory(), 50000u);
  scanner.Feed("</a> \n", recorder, consumed);
  EXPECT_FALSE(scanner.incomplete());
  EXPECT_EQ(scanner.memory(), fresh);
}

class InPlace : public Recorder {
 public:
  void OnChild(const Child& child) override { places.push_back(child.raw.data()); }
  std::vector<const char*> places;
};

TEST(ScannerTest, HandsOutTheInputItself) {
  Scanner scanner((Limits()));
  InPlace handler;
  std::size_t consumed = 0;
  const std::string first = std::string(kHeader) + "<a/><b></b><incom";
  scanner.Feed(first, handler, consumed);
  EXPECT_THAT(handler.places, ElementsAre(first.data() + kHeader.size(), first.data() + kHeader.size() + 4));
  const std::string second = "plete/><c/>";
  scanner.Feed(second, handler, consumed);
  ASSERT_EQ(handler.places.size(), 4u);
  EXPECT_EQ(handler.places[3], second.data() + 7);
}

// Byte by byte the cost per byte must not grow with the size: one large unit may take not much longer than many small.
TEST(ScannerTest, BytesOneByOneCostTheSameInLargeUnits) {
  const auto time = [](const std::string& stanzas) {
    Scanner scanner(Limits{.max_stanza_bytes = 10'000'000});
    Recorder recorder;
    std::size_t consumed = 0;
    scanner.Feed(kHeader, recorder, consumed);
    const auto start = std::chrono::steady_clock::now();
    for (const char& c : stanzas) scanner.Feed({&c, 1}, recorder, consumed);
    EXPECT_FALSE(scanner.incomplete());
    return std::chrono::steady_clock::now() - start;
  };
  constexpr int kSize = 200'000;
  std::string small;
  for (int i = 0; i < kSize / 20; ++i) small += "<a>xxxxxxxxxxxxx</a>";
  const auto limit = 20 * time(small);
  const std::string many(kSize, 'x');
  EXPECT_LT(time("<a>" + many + "</a>"), limit);
  EXPECT_LT(time("<a b='" + many + "'/>"), limit);
  EXPECT_LT(time("<a" + many + "/>"), limit);
  EXPECT_LT(time("<a" + std::string(kSize, ' ') + "/>"), limit);
  EXPECT_LT(time("<a>&#" + std::string(kSize, '0') + "65;</a>"), limit);
  EXPECT_LT(time("<a><![CDATA[" + std::string(kSize, ']') + "]]></a>"), limit);
}

}  // namespace
}  // namespace parley::xml
