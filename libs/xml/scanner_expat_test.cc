#include <gtest/gtest.h>

#include <random>

#include "libs/xml/names.h"
#include "libs/xml/utf8.h"
#include "tests/fuzz/scanner_differential.h"

// The comparison of tests/fuzz in a form that every build runs: seeded mutations of known documents.
namespace parley::xml {
namespace {

constexpr std::string_view kSeeds[] = {
    "<?xml version='1.0'?><s:s xmlns='c' xmlns:s='u'><m to='a@b' id='1'><b>hi &amp; you</b><x xmlns='v'/></m></s:s>",
    "<s:s xmlns:s='s' xmlns:p='u' xmlns='c'><p:a p:x='1' x='2'><b xmlns:p='&#118;'><p:c/></b></p:a><s:d/></s:s>",
    "<s xmlns='c' xmlns:p='u'><a><b xmlns='v' xmlns:p='w&amp;'><p:c/></b><d/><p:d/><e p:f='1'/></a></s>",
    "<s><a><![CDATA[<&]]]]>]] ></a> <b c=\"'\" d='\"'/></s>",
    " <s:s xmlns:s='u' >  <a b = 'c' ></a ><a\n/></s:s > ",
    "<s xmlns:p='u' xmlns:q='v'><a p:b='' q:b='' b='' xml:lang='de'/>",
    "<?xml version=\"1.0\" encoding='UTF-8' standalone='yes' ?>\n<s><\xD0\xB0 "
    "\xD0\xB1='\xE2\x82\xAC'>\xF0\x9F\x98\x80</\xD0\xB0></s>",
};

constexpr std::string_view kTokens[] = {
    "<a>",
    "</a>",
    "<a/>",
    "<p:a>",
    "</p:a>",
    "<",
    ">",
    "/",
    "'",
    "\"",
    "=",
    " ",
    "\n",
    "\t",
    "\r",
    ":",
    "a",
    "x",
    "-",
    "1",
    " b='c'",
    " p:b=''",
    " q:b=''",
    " xmlns=''",
    " xmlns='u'",
    " xmlns:p='u'",
    " xmlns:q='u'",
    " xmlns:p=''",
    " xmlns:p='&#117;'",
    " xmlns:xml='http://www.w3.org/XML/1998/namespace'",
    " xmlns:p='http://www.w3.org/2000/xmlns/'",
    " xmlns:xmlns='u'",
    " xml:lang='de'",
    "<![CDATA[",
    "]]>",
    "]",
    "]]",
    "<!--",
    "-->",
    "<?",
    "?>",
    "<!",
    "&lt;",
    "&amp;",
    "&",
    ";",
    "&#65;",
    "&#xD;",
    "&#x10FFFF;",
    "&#x110000;",
    "&#0;",
    "&foo;",
    "#",
    "\r\n",
    "\xEF\xBB\xBF",
    "\xEF\xBF\xBE",
    "\xED\xA0\x80",
    "\x80",
    "\xF0\x9F\x98\x80",
    "\xC2\xB7",
    "\xD0\xB0",
    "\xE2\x82",
    "\x01",
    "\x7F",
    "</s>",
    "<s>",
};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string Next() {
    std::string document(kSeeds[Below(std::size(kSeeds))]);
    for (std::size_t left = 1 + Below(4); left > 0; --left) Mutate(document);
    return document;
  }

 private:
  void Mutate(std::string& document) {
    const std::size_t at = Below(document.size() + 1);
    const std::size_t size = Below(std::min<std::size_t>(document.size() - at, 12) + 1);
    switch (Below(6)) {
      case 0:
        document.erase(at, size);
        break;
      case 1:
        document.insert(at, document, Below(document.size() + 1), 1 + Below(24));
        break;
      case 2:
        if (at < document.size()) document[at] = static_cast<char>(Below(256));
        break;
      case 3:
        document.replace(at, size, kTokens[Below(std::size(kTokens))]);
        break;
      default:
        document.insert(at, kTokens[Below(std::size(kTokens))]);
    }
  }

  std::size_t Below(std::size_t limit) { return random_() % limit; }

  std::mt19937 random_;
};

TEST(ScannerExpatTest, MutatedDocumentsMeanTheSame) {
  constexpr int kRuns = 200'000;
  ScannerDifferential differential;
  Mutator mutator(1);
  for (int i = 0; i < kRuns; ++i) {
    const std::string document = mutator.Next();
    ASSERT_EQ(differential.Check(document), "") << document;
    if (i % 8 == 0) {
      ASSERT_EQ(differential.CheckByteByByte(document), "") << document;
    }
  }
}

TEST(ScannerExpatTest, NamesAreThoseOfExpat) {
  ExpatOracle expat;
  for (char32_t code = 0x80; code < 0x10400; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string character;
    AppendUtf8(character, code);
    ASSERT_EQ(expat.Read("<" + character + "/>", true), IsNameStart(code)) << static_cast<unsigned>(code);
    ASSERT_EQ(expat.Read("<a" + character + "/>", true), IsNameChar(code)) << static_cast<unsigned>(code);
  }
}

}  // namespace
}  // namespace parley::xml
