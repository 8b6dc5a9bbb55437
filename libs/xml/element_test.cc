#include "libs/xml/element.h"

#include <gtest/gtest.h>

#include "libs/xml/scanner.h"

namespace parley::xml {
namespace {

Element MustParse(std::string_view raw, std::string_view ns = "jabber:client") {
  const auto element = Element::Parse(raw, ns);
  EXPECT_TRUE(element) << raw;
  return element.value_or(Element());
}

TEST(ElementTest, ParsesNamesAttributesAndText) {
  const Element message =
      MustParse("<message to='a@b' id=\"1\"><body>hi &lt;you&gt;</body><x xmlns='urn:x' y='z'/></message>");
  EXPECT_TRUE(message.Is("message", "jabber:client"));
  EXPECT_EQ(message.attr("to"), "a@b");
  EXPECT_EQ(message.attr("id"), "1");
  EXPECT_FALSE(message.attr("from"));
  ASSERT_EQ(message.children().size(), 2u);
  EXPECT_EQ(message.Find("body", "jabber:client")->text(), "hi <you>");
  EXPECT_EQ(message.Find("x", "urn:x")->attr("y"), "z");
  EXPECT_EQ(message.Find("x", "jabber:client"), nullptr);
  EXPECT_EQ(message.FirstChild()->name(), "body");
}

TEST(ElementTest, ResolvesPrefixesOfElementsAndAttributes) {
  const Element element = MustParse("<p:a xmlns:p='urn:p' p:x='1' x='2'><b/><c xmlns='urn:c'><d/></c><p:e/></p:a>");
  EXPECT_TRUE(element.Is("a", "urn:p"));
  EXPECT_EQ(element.attr("x"), "2");
  ASSERT_EQ(element.attrs().size(), 2u);
  EXPECT_EQ(element.attrs()[0].ns, "urn:p");
  EXPECT_EQ(element.attrs()[0].value, "1");
  EXPECT_NE(element.Find("b", "jabber:client"), nullptr);
  EXPECT_NE(element.Find("c", "urn:c")->Find("d", "urn:c"), nullptr);
  EXPECT_NE(element.Find("e", "urn:p"), nullptr);
}

TEST(ElementTest, AnInnerDeclarationHidesAnOuterOneUntilItsElementEnds) {
  const Element a = MustParse("<p:a xmlns:p='urn:1'><p:b xmlns:p='urn:&#50;'/><p:c/><d xmlns=''><e/></d><f/></p:a>");
  EXPECT_NE(a.Find("b", "urn:2"), nullptr);
  EXPECT_NE(a.Find("c", "urn:1"), nullptr);
  EXPECT_NE(a.Find("d", "")->Find("e", ""), nullptr);
  EXPECT_NE(a.Find("f", "jabber:client"), nullptr);
}

TEST(ElementTest, KeepsLanguage) {
  const Element element = MustParse("<a xml:lang='de'><b xml:lang=''/></a>");
  EXPECT_EQ(element.lang(), "de");
  EXPECT_EQ(element.FirstChild()->lang(), "");
  EXPECT_EQ(element.ToString(), "<a xml:lang='de'><b xml:lang=''/></a>");
  EXPECT_EQ(Element("a", "jabber:client").SetAttr("xml:lang", "de").AddChild(*element.FirstChild()), element);
}

TEST(ElementTest, TextIsEntitiesReferencesAndCdataInOneNode) {
  const Element element = MustParse("<a>&amp;&#x41;<![CDATA[<&amp;]]]]>&#65; \r\n\r<b/>c</a>");
  ASSERT_EQ(element.nodes().size(), 3u);
  EXPECT_EQ(std::get<std::string>(element.nodes()[0]), "&A<&amp;]]A \n\n");
  EXPECT_EQ(element.text(), "&A<&amp;]]A \n\nc");
}

TEST(ElementTest, NormalisesWhiteSpaceInAttributes) {
  EXPECT_EQ(MustParse("<a b='1\t2\r\n3\n4&#10;5&#9;6'/>").attr("b"), "1 2 3 4\n5\t6");
}

TEST(ElementTest, WritesWhatReadsBackAsTheSame) {
  Element element("message", "jabber:client");
  element.SetAttr("id", "<'&\">\n\t\r").SetLang("en").AddAttr({"urn:a", "x", "1"}).AddAttr({"urn:a", "y", "2"});
  element.AddAttr({"urn:b", "x", "3"}).AddText("]]>").AddText("\r\n\t&amp;");
  element.AddChild(Element("x", "urn:x").AddChild(Element("y", "")).AddChild(Element("z", "jabber:client")));
  element.AddChild(Element("body", "jabber:client").AddText("привет 😀"));
  EXPECT_EQ(MustParse(element.ToString()), element) << element.ToString();
  EXPECT_EQ(MustParse(element.ToString("urn:other"), "urn:third"), element) << element.ToString("urn:other");
}

TEST(ElementTest, DeclaresTheDefaultNamespaceOnlyWhereItChanges) {
  Element iq("iq", "jabber:client");
  iq.AddChild(Element("query", "urn:q").AddChild(Element("item", "urn:q"))).AddChild(Element("error", "jabber:client"));
  EXPECT_EQ(iq.ToString(), "<iq><query xmlns='urn:q'><item/></query><error/></iq>");
  EXPECT_EQ(iq.ToString("jabber:server"),
            "<iq xmlns='jabber:client'><query xmlns='urn:q'><item/></query><error/></iq>");
}

TEST(ElementTest, AnElementInTheXmlNamespaceIsWrittenWithItsPrefix) {
  const Element element = MustParse("<xml:a><b/></xml:a>");
  EXPECT_TRUE(element.Is("a", Element::kXmlNs));
  EXPECT_EQ(element.ToString(), "<xml:a><b/></xml:a>");
}

TEST(ElementTest, SettingAnAttributeAgainReplacesIt) {
  Element element("a", "jabber:client");
  element.SetAttr("x", "1").SetAttr("x", "2").SetLang("de").SetLang("en");
  EXPECT_EQ(element.ToString(), "<a x='2' xml:lang='en'/>");
  EXPECT_EQ(element.lang(), "en");
}

TEST(ElementTest, RefusesWhatIsNotOneWellFormedElement) {
  for (const std::string_view raw :
       {"", " ", "a", "<a>", "</a>", "<a/><b/>", "<a/>b", "<a></b>", "<a b='1' b='2'/>", "<p:a/>", "<a>&foo;</a>",
        "<a b=1/>", "<a><!-- x --></a>", "<?xml version='1.0'?><a/>", "<![CDATA[x]]>", "<a>\x01</a>", "<a>\xFF</a>"}) {
    EXPECT_FALSE(Element::Parse(raw)) << raw;
  }
  std::string deep;
  for (int i = 0; i < 257; ++i) deep += "<a>";
  for (int i = 0; i < 257; ++i) deep += "</a>";
  EXPECT_FALSE(Element::Parse(deep));
  EXPECT_TRUE(Element::Parse(deep.substr(3, deep.size() - 7)));
}

TEST(ElementTest, SpaceAroundItIsIgnored) { EXPECT_TRUE(Element::Parse("\n <a/>\n")); }

TEST(EscapeTest, EscapesAndUnescapes) {
  EXPECT_EQ(Escape("a<b>c&d'e\"f\n\t\r"), "a&lt;b&gt;c&amp;d&apos;e&quot;f\n\t&#13;");
  EXPECT_EQ(Escape("\n\t", Use::kAttribute), "&#10;&#9;");
  EXPECT_EQ(Escape(std::string_view("\0\x01", 2)), "\uFFFD\uFFFD");
  EXPECT_EQ(Unescape("&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;&#x0000041;"), "<>&'\"A😀A");
  EXPECT_EQ(Unescape("&foo; & &#xD800; &#x110000; &#0; &;"), "&foo; & &#xD800; &#x110000; &#0; &;");
  EXPECT_EQ(Unescape("&amp;lt;"), "&lt;");
}

}  // namespace
}  // namespace parley::xml
