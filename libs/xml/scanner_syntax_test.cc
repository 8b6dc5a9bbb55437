#include <gtest/gtest.h>

#include <string>

#include "libs/xml/scan_support.h"

// What the scanner takes for XML, and what it calls what it refuses.
namespace parley::xml {
namespace {

TEST(ScannerSyntaxTest, AcceptsWhatIsWellFormed) {
  for (const std::string_view stanzas : {"<a/>",
                                         "<a />",
                                         "<a></a >",
                                         "<a\nb\t=\r\n'c'\n/>",
                                         "<a b='\"' c=\"'\"/>",
                                         "<a b='>'/>",
                                         "<a b=']]>'/>",
                                         "<a>></a>",
                                         "<a>]]</a>",
                                         "<a>]]]]</a>",
                                         "<a>]] ></a>",
                                         "<a>&lt;&gt;&amp;&apos;&quot;&#9;&#xA;&#x10FFFF;&#00065;</a>",
                                         "<a>\x7F</a>",
                                         "<a>\xEF\xBF\xBD</a>",
                                         "<a>\xF4\x8F\xBF\xBF</a>",
                                         "<a>\xEE\x80\x80</a>",
                                         "<a>\xED\x9F\xBF</a>",
                                         "<_a-1.b/>",
                                         "<a><![CDATA[]]></a>",
                                         "<a><![CDATA[]]]></a>",
                                         "<a><![CDATA[]]]]></a>",
                                         "<a><![CDATA[<&\xC3\xBC]]></a>",
                                         "<\xD0\xB0/>",
                                         "<stream:error/>",
                                         "<a xml:lang='x' xml:a='b'/>",
                                         "<xml:a/>",
                                         "<a xmlns=''/>",
                                         "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
                                         "<p:a xmlns:p='u' p:b='' b=''/>",
                                         "<a xmlns:p='u' xmlns:q='v' p:b='' q:b=''/>",
                                         "<a p:b='' xmlns:p='u'/>",
                                         "<a xmlnsx='' xml='' Xmlns=''/>",
                                         "<a xmlns:p='u'><p:b/><c xmlns:p='v' p:x=''/></a>",
                                         "<a xmlns:xmlx='u'/>",
                                         " \t\r\n",
                                         "</stream:stream>"}) {
    EXPECT_EQ(FaultOf(stanzas), std::nullopt) << stanzas;
  }
}

TEST(ScannerSyntaxTest, RefusesWhatIsNotWellFormed) {
  for (const std::string_view stanzas :
       {"\x01", "< a/>", "<>", "</>", "<1/>", "<-a/>", "<.a/>", "<\xC2\xB7/>", "<a\xC3\x97/>", "<a\xEF\xBF\xBE/>",
        "<a//>", "<a/ >", "<a b/>", "<a b=c/>", "<a b='c'd='e'/>", "<a b='<'/>", "<a =''/>", "<a b=''=''/>",
        "<a b='' b=\"\"/>", "<a b=''/ >", "<a b='\x01'/>", "<a b='&'/>", "<a b='&lt'/>", "<a \x01/>", "<a></b>",
        "<a></a b=''>", "<a></a/>", "<a></A>", "<a><b></a></b>", "<a></a b>", "</b>", "</stream>", "<a>]]></a>",
        "<a>]]]></a>", "<a>&;</a>", "<a>& </a>", "<a>&#;</a>", "<a>&#x;</a>", "<a>&#xG;</a>", "<a>&#A;</a>",
        "<a>&#0;</a>", "<a>&#1;</a>", "<a>&#xD800;</a>", "<a>&#xFFFE;</a>", "<a>&#x110000;</a>", "<a>&#4294967361;</a>",
        "<a>&#X41;</a>", "<a>&1;</a>", "<a>&lt ;</a>", "<a>\x01</a>", "<a>\x1F</a>", "<a>\xEF\xBF\xBE</a>",
        "<a>\xEF\xBF\xBF</a>", "<a><![CDATA[\x02]]></a>", "<a><![CDATA[\xEF\xBF\xBF]]></a>", "<a><![CDAT[]]></a>",
        "<a><![cdata[]]></a>", "<![CDATA[]]>", "<a><!></a>", "<a><! -- --></a>", "</stream:stream><a/>",
        "</stream:stream></stream:stream>",
        // Namespaces in XML
        "<:a/>", "<a:/>", "<s:a:b/>", "<s:1/>", "<s:-/>", "<a :b=''/>", "<a b:=''/>", "<a xmlns:=''/>",
        "<a xmlns:p=''/>", "<a xmlns:xml='u'/>", "<a xmlns:xml=''/>", "<a xmlns:xmlns='u'/>",
        "<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>", "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>", "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespac&#101;'/>", "<a xmlns:p='u' xmlns:p='v'/>",
        "<a xmlns='' xmlns=''/>", "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", "<a xmlns:p='urn:s' p:b='' s:b=''/>",
        "<a xmlns:p='&#117;' xmlns:q='u' p:b='' q:b=''/>"}) {
    EXPECT_EQ(FaultOf(stanzas), Fault::kNotWellFormed) << stanzas;
  }
}

TEST(ScannerSyntaxTest, RefusesUnboundPrefixes) {
  for (const std::string_view stanzas :
       {"<p:a/>", "<a p:b=''/>", "<a><b xmlns:p='u'/><p:c/></a>", "<xmlns:a/>", "<a xmlns:p='u'/><p:b/>", "<S:a/>"}) {
    EXPECT_EQ(FaultOf(stanzas), Fault::kBadNamespacePrefix) << stanzas;
  }
}

TEST(ScannerSyntaxTest, RefusesRestrictedXml) {
  for (const std::string_view stanzas :
       {"<!-- x -->", "<a><!-- x --></a>", "<?pi?>", "<a><?pi?></a>", "<?xml version='1.0'?>", "<!DOCTYPE a>",
        "<a><!DOCTYPE a></a>", "<a>&foo;</a>", "<a b='&foo;'/>", "<a>&LT;</a>", "<a>&nbsp;</a>"}) {
    EXPECT_EQ(FaultOf(stanzas), Fault::kRestrictedXml) << stanzas;
  }
}

TEST(ScannerSyntaxTest, RefusesWhatIsNotUtf8) {
  for (const std::string_view bytes : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3(", "\xC3\xC3", "\xE0\x80\x80",
                                       "\xE0\x9F\xBF", "\xE2\x82(", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80",
                                       "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF"}) {
    const std::string text(bytes);
    EXPECT_EQ(FaultOf("<a>" + text + "</a>"), Fault::kUnsupportedEncoding);
    EXPECT_EQ(FaultOf("<a b='" + text + "'/>"), Fault::kUnsupportedEncoding);
    EXPECT_EQ(FaultOf("<a" + text + "/>"), Fault::kUnsupportedEncoding);
    EXPECT_EQ(FaultOf("<a><![CDATA[" + text + "]]></a>"), Fault::kUnsupportedEncoding);
  }
}

TEST(ScannerSyntaxTest, JudgesTheXmlDeclaration) {
  const auto fault_of = [](std::string_view start) {
    const std::string document = std::string(start) + "<s:s xmlns:s='u'>";
    const ScanResult whole = Scan({document});
    EXPECT_EQ(whole, Scan(Bytes(document))) << document;
    return whole.fault;
  };
  for (const std::string_view start :
       {"", " ", "\n", "<?xml version='1.0'?>", "<?xml version=\"1.0\" ?>\n", "<?xml\n version = '1.1'?>",
        "<?xml version='1.0' encoding='UTF-8'?>", "<?xml version='1.0' encoding=\"utf-8\" standalone='yes'?>",
        "<?xml version='1.0' standalone='no'?>"}) {
    EXPECT_EQ(fault_of(start), std::nullopt) << start;
  }
  for (const std::string_view start :
       {"<?xml ?>", "<?xml version='2.0'?>", "<?xml version='1.'?>", "<?xml version='1.x'?>", "<?xml version=1.0?>",
        "<?xml encoding='UTF-8'?>", "<?xml version='1.0'encoding='UTF-8'?>", "<?xml version='1.0' version='1.0'?>",
        "<?xml version='1.0' standalone='maybe'?>", "<?xml version='1.0' standalone='no' encoding='UTF-8'?>",
        "<?xml version='1.0?>", "<?xml version='1.0' x='y'?>", "x", "<![CDATA[]]>", "</a>", "\xEF\xBB\xBF"}) {
    EXPECT_EQ(fault_of(start), Fault::kNotWellFormed) << start;
  }
  for (const std::string_view start :
       {"<?xml version='1.0' encoding='ISO-8859-1'?>", "<?xml version='1.0' encoding=''?>", "\xFF\xFE<", "\xFE\xFF"}) {
    EXPECT_EQ(fault_of(start), Fault::kUnsupportedEncoding) << start;
  }
  for (const std::string_view start :
       {"<?xm?>", "<?xmlx version='1.0'?>", "<?XML version='1.0'?>", " <?xml version='1.0'?>", "<!DOCTYPE x>",
        "<!-- x -->", "<?xml version='1.0'?><?xml version='1.0'?>"}) {
    EXPECT_EQ(fault_of(start), Fault::kRestrictedXml) << start;
  }
}

}  // namespace
}  // namespace parley::xml
