#include "libs/xmpp/jid.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

namespace parley::xmpp {
namespace {

struct Valid {
  std::string text;
  std::string local;
  std::string domain;
  std::string resource;
};

// RFC 7622 section 3.5 table 1, and cases of our own after it.
const std::vector<Valid> kValid = {
    {"juliet@example.com", "juliet", "example.com", ""},
    {"juliet@example.com/foo", "juliet", "example.com", "foo"},
    {"juliet@example.com/foo bar", "juliet", "example.com", "foo bar"},
    {"juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"},
    {"foo\\20bar@example.com", "foo\\20bar", "example.com", ""},
    {"fussball@example.com", "fussball", "example.com", ""},
    {"fu\u00DFball@example.com", "fu\u00DFball", "example.com", ""},
    {"\u03C0@example.com", "\u03C0", "example.com", ""},
    {"\u03A3@example.com/foo", "\u03C3", "example.com", "foo"},
    {"\u03C3@example.com/foo", "\u03C3", "example.com", "foo"},
    {"\u03C2@example.com/foo", "\u03C2", "example.com", "foo"},
    {"king@example.com/\u265A", "king", "example.com", "\u265A"},
    {"example.com", "", "example.com", ""},
    {"example.com/foobar", "", "example.com", "foobar"},
    {"a.example.com/b@example.net", "", "a.example.com", "b@example.net"},
    // Erratum 4560: a space may come first in a resource.
    {"juliet@example.com/ foo", "juliet", "example.com", " foo"},
    {"juliet@example.com/foo/bar", "juliet", "example.com", "foo/bar"},
    {"juliet@example.com//", "juliet", "example.com", "/"},
    // Case: mapped in the localpart and the domain, kept in the resource.
    {"JuLiet@EXAMPLE.Com/Balcony", "juliet", "example.com", "Balcony"},
    {"\u00C9mile@example.com", "\u00E9mile", "example.com", ""},
    // Composition, width and spaces.
    {"e\u0301mile@example.com/e\u0301", "\u00E9mile", "example.com", "\u00E9"},
    {"\uFF21\uFF42\uFF43@example.com", "abc", "example.com", ""},
    {"\uFF76@example.com", "\u30AB", "example.com", ""},
    {"\u1112\u1161\u11AB@example.com/\u1112\u1161\u11AB", "\uD55C", "example.com", "\uD55C"},
    {"\u212A@example.com", "k", "example.com", ""},
    {"a@example.com/\uFF21", "a", "example.com", "\uFF21"},
    {"a@example.com/b\u00A0c\u3000d", "a", "example.com", "b c d"},
    // Domains.
    {"juliet@example.com.", "juliet", "example.com", ""},
    {"a@localhost", "a", "localhost", ""},
    {"a@xn--bcher-kva.example", "a", "b\u00FCcher.example", ""},
    {"a@B\u00DCCHER.example", "a", "b\u00FCcher.example", ""},
    {"a@fa\u00DF.de", "a", "fa\u00DF.de", ""},
    {"a@example\u3002com\u3002", "a", "example.com", ""},
    {"a@\uFF45xample.com", "a", "example.com", ""},
    {"a@192.0.2.1", "a", "192.0.2.1", ""},
    {"a@[2001:DB8:0:0::1]", "a", "[2001:db8::1]", ""},
    {"a@[::1]/r", "a", "[::1]", "r"},
    {"a@[fe80::1%25eth0]", "a", "[fe80::1%25eth0]", ""},
    // Contextual rules that hold (RFC 5892 appendix A).
    {"l\u00B7l@example.com", "l\u00B7l", "example.com", ""},
    {"\u0375\u03B1@example.com", "\u0375\u03B1", "example.com", ""},
    {"\u05D0\u05F3@example.com", "\u05D0\u05F3", "example.com", ""},
    {"\u30AB\u30FB@example.com", "\u30AB\u30FB", "example.com", ""},
    {"\u0915\u094D\u200D@example.com", "\u0915\u094D\u200D", "example.com", ""},
    {"\u0628\u200C\u0628@example.com", "\u0628\u200C\u0628", "example.com", ""},
    {"\u0628\u0661@example.com", "\u0628\u0661", "example.com", ""},
    // The Bidi Rule.
    {"\u05D0\u05D1\u05D2@example.com", "\u05D0\u05D1\u05D2", "example.com", ""},
    {"\u05D01@example.com", "\u05D01", "example.com", ""},
    {"a@example.com/\u05D0a", "a", "example.com", "\u05D0a"},
    // All that a localpart may have in ASCII.
    {"!#$%()*+,-.;=?[\\]^_`{|}~@h", "!#$%()*+,-.;=?[\\]^_`{|}~", "h", ""},
};

TEST(JidTest, ValidAddressesArePrepared) {
  for (const Valid& example : kValid) {
    const auto jid = Jid::Parse(example.text);
    ASSERT_TRUE(jid) << example.text;
    EXPECT_EQ(jid->local(), example.local) << example.text;
    EXPECT_EQ(jid->domain(), example.domain) << example.text;
    EXPECT_EQ(jid->resource(), example.resource) << example.text;
    EXPECT_EQ(Jid::Parse(jid->str()), jid) << example.text;
  }
}

TEST(JidTest, InvalidAddressesAreRefused) {
  const std::vector<std::string> invalid = {
      // RFC 7622 section 3.5 table 2, without the row that erratum 4560 removed.
      "\"juliet\"@example.com", "foo bar@example.com", "@example.com/", "henry\u2163@example.com", "\u265A@example.com",
      "juliet@", "/foobar",
      // Parts missing or in the wrong place.
      "", "@", "/", "@/", "a@/b", "@b", "a@@b", "a@b@c", "a@b/", "b/", "@b/c", ".", "a@.",
      // RFC 7622 3.3.1, also as fullwidth forms.
      "a&b@h", "a'b@h", "a:b@h", "a<b@h", "a>b@h", "a\uFF20b@h", "a\uFF0Fb@h",
      // Domains.
      "a@-b.c", "a@b-.c", "a@b..c", "a@.b", "a@b..", "a@b_c", "a@b c", "a@b!c", "a@ab--c", "a@xn--a", "a@\u2603.net",
      "a@[::1", "a@::1", "a@[1.2.3.4]", "a@[]", "a@[::1]x", "a@[fe80::1%]", "a@[::g]", "a@\u0301b.c",
      "a@\u05D0a.example", "a@l\u00B7x.example", "a@\uFF20.example", "a@b\u00ADc:d", "a@b\u20D0.c",
      // Contextual rules that do not hold, mixed digits, joiners without cause.
      "a\u00B7b@h", "\u0375a@h", "a\u05F3@h", "a\u30FB@h", "a\u200D@h", "a\u200Cb@h", "\u0628\u0661\u06F1@h",
      "h/a\u200D", "h/a\u00B7b",
      // The Bidi Rule.
      "\u05D0a@h", "a\u05D0@h", "1\u05D0@h", "\u05D0-@h", "\u06281\u0661@h",
      // Controls, ignorable, private, unassigned, noncharacters, old jamo, exceptions.
      std::string("a\0b@h", 5), "h/a\x01", "h/a\x7F", "h/\u061Cx", "h/\u00AD", "h/\uE000", "h/\u0378", "h/\uFFFE",
      "h/\u1100", "h/\u0640", "\u0640@h", "\u1100@h", "a\u034Fb@h",
      // Not UTF-8: alone, overlong, a surrogate, beyond Unicode, cut short.
      "a\x80@h", "h/\xC0\x80", "h/\xED\xA0\x80", "h/\xF4\x90\x80\x80", "h/\xE2\x82", "a@\xFF.b", "\xC3@h"};
  for (const std::string& text : invalid) {
    EXPECT_FALSE(Jid::Parse(text)) << testing::PrintToString(text);
  }
}

TEST(JidTest, PartsEndAt1023Bytes) {
  const std::string longest(1023, 'a');
  EXPECT_TRUE(Jid::Make(longest, "h", longest));
  EXPECT_FALSE(Jid::Make(longest + "a", "h"));
  EXPECT_FALSE(Jid::Make("a", "h", longest + "a"));
  // Counted after preparation: 1023 fullwidth letters of three bytes become one byte each.
  std::string wide;
  for (int i = 0; i < 1023; ++i) wide += "\uFF41";
  EXPECT_EQ(PrepareLocal(wide), longest);
  EXPECT_FALSE(PrepareLocal(wide + "\uFF41"));
  std::string accents;
  for (int i = 0; i < 512; ++i) accents += "\u00E9";
  EXPECT_FALSE(PrepareResource(accents));
}

TEST(JidTest, DomainsEndWhereDnsEnds) {
  const std::string label(63, 'a');
  EXPECT_TRUE(PrepareDomain(label));
  EXPECT_FALSE(PrepareDomain(label + "a"));
  const std::string name = label + "." + label + "." + label + "." + std::string(61, 'a');
  EXPECT_EQ(PrepareDomain(name + "."), name);
  EXPECT_FALSE(PrepareDomain(name + "a"));
}

TEST(JidTest, TakesAddressesApartAndTogether) {
  const Jid jid = *Jid::Parse("romeo@example.net/orchard");
  EXPECT_TRUE(jid.is_full());
  EXPECT_FALSE(jid.is_bare());
  EXPECT_EQ(jid.bare(), "romeo@example.net");
  EXPECT_TRUE(jid.Bare().is_bare());
  EXPECT_EQ(jid.Bare(), *Jid::Parse("Romeo@example.net"));
  EXPECT_EQ(jid.Bare().domain(), "example.net");
  EXPECT_EQ(jid.WithResource("garden")->str(), "romeo@example.net/garden");
  EXPECT_EQ(jid.Bare().WithResource("e\u0301")->resource(), "\u00E9");
  EXPECT_FALSE(jid.WithResource(""));
  EXPECT_FALSE(jid.WithResource("\x01"));
  EXPECT_FALSE(Jid().WithResource("a"));
  EXPECT_TRUE(Jid().empty());
  EXPECT_FALSE(Jid().is_bare());
  EXPECT_FALSE(Jid::Make("a@b", "c"));
  EXPECT_FALSE(Jid::Make("a", "b/c"));
  EXPECT_FALSE(Jid::Make("a", ""));
}

TEST(JidTest, ViewsOfPreparedText) {
  const std::vector<std::tuple<std::string, std::string, std::string, std::string, std::string>> rows = {
      {"a@b/c@d/e", "a@b", "a", "b", "c@d/e"},
      {"b/c", "b", "", "b", "c"},
      {"b", "b", "", "b", ""},
      {"", "", "", "", ""}};
  for (const auto& [text, bare, local, domain, resource] : rows) {
    EXPECT_EQ(BareOf(text), bare);
    EXPECT_EQ(LocalOf(text), local);
    EXPECT_EQ(DomainOf(text), domain);
    EXPECT_EQ(ResourceOf(text), resource);
  }
}

TEST(JidTest, TakesTheRoomThatItIsGiven) {
  std::string room = "what was in it before, and was longer";
  const char* const memory = room.data();
  const auto jid = Jid::Parse("Romeo@home.example/orchard", std::move(room));
  ASSERT_TRUE(jid);
  EXPECT_EQ(*jid, *Jid::Parse("romeo@home.example/orchard"));
  EXPECT_EQ(jid->str().data(), memory);
  EXPECT_FALSE(Jid::Parse("@home.example", "room"));
}

// RFC 4013 section 3.
TEST(PasswordTest, IsPreparedAsScramClientsDo) {
  EXPECT_EQ(PreparePassword("I\u00ADX"), "IX");
  EXPECT_EQ(PreparePassword("user"), "user");
  EXPECT_EQ(PreparePassword("USER"), "USER");
  EXPECT_EQ(PreparePassword("\u00AA"), "a");
  EXPECT_EQ(PreparePassword("\u2168"), "IX");
  EXPECT_FALSE(PreparePassword("\u0007"));
  EXPECT_FALSE(PreparePassword("\u00AD"));  // nothing is left
  // Newer than Unicode 3.2, and what only OpaqueString takes.
  EXPECT_EQ(PreparePassword("\U0001F37A1"), "\U0001F37A1");
  EXPECT_EQ(PreparePassword("\u06271"), "\u06271");
}

// RFC 8265 section 4.3, where both agree.
TEST(PasswordTest, IsAnOpaqueString) {
  EXPECT_EQ(PreparePassword("correct horse battery staple"), "correct horse battery staple");
  EXPECT_EQ(PreparePassword("Correct Horse Battery Staple"), "Correct Horse Battery Staple");
  EXPECT_EQ(PreparePassword("\u03C0\u00DF\u00E5"), "\u03C0\u00DF\u00E5");
  EXPECT_EQ(PreparePassword("Jack of \u2666s"), "Jack of \u2666s");
  EXPECT_EQ(PreparePassword("foo\u1680bar"), "foo bar");
  EXPECT_EQ(PreparePassword("A\u030Angstro\u0308m"), "\u00C5ngstr\u00F6m");
  EXPECT_FALSE(PreparePassword(""));
  EXPECT_FALSE(PreparePassword("my cat is a \tby"));
  EXPECT_FALSE(PreparePassword("\xFF"));
}

}  // namespace
}  // namespace parley::xmpp
