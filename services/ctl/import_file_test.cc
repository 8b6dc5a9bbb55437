#include "services/ctl/import_file.h"

#include <gmock/gmock.h>

#include <sstream>

namespace parley::ctl {
namespace {

ImportFile Read(const std::string& text) {
  std::istringstream in(text);
  return ReadImport(in);
}

TEST(ImportFileTest, TakesJidAndPasswordWithAnyWhiteSpaceBetween) {
  const auto file = Read("ada@home.example \t secret\n\tbob@home.example pass word \r\nlast@home.example x");
  ASSERT_EQ(file.lines.size(), 3u);
  EXPECT_EQ(file.lines[0].jid, "ada@home.example");
  EXPECT_EQ(file.lines[0].password, "secret");
  EXPECT_EQ(file.lines[1].password, "pass word ");
  EXPECT_EQ(file.lines[2].jid, "last@home.example");
  EXPECT_TRUE(file.bad.empty());
}

TEST(ImportFileTest, NamesBadLinesByTheirNumberAndGoesOn) {
  const auto file = Read(
      "\xEF\xBB\xBF"
      "ada@home.example a\n\n  \nnonsense\ntrailing@home.example  \nbob@home.example b\n");
  ASSERT_EQ(file.lines.size(), 2u);
  EXPECT_EQ(file.lines[0].jid, "ada@home.example");
  EXPECT_EQ(file.lines[1].number, 6u);
  ASSERT_EQ(file.bad.size(), 2u);
  EXPECT_EQ(file.bad[0].number, 4u);
  EXPECT_EQ(file.bad[1].number, 5u);
}

}  // namespace
}  // namespace parley::ctl
