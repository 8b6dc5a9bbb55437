#include "libs/storage/resp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::storage {
namespace {

using testing::HasSubstr;

TEST(RespTest, CommandsAreArraysOfBinarySafeStrings) {
  std::string out;
  const std::vector<std::string_view> words{"SET", std::string_view("a\0\r\n", 4), ""};
  AppendCommand(out, words);
  EXPECT_EQ(out, std::string("*3\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n", 29));
}

// One byte at a time or all at once: the same replies.
class RespReaderTest : public testing::TestWithParam<std::size_t> {
 protected:
  std::vector<Result<Reply>> Read(std::string_view bytes) {
    std::vector<Result<Reply>> replies;
    while (!bytes.empty()) {
      reader_.Feed(bytes.substr(0, GetParam()));
      bytes.remove_prefix(std::min(GetParam(), bytes.size()));
      while (auto reply = reader_.Next()) replies.push_back(std::move(*reply));
    }
    return replies;
  }
  RespReader reader_;
};

TEST_P(RespReaderTest, ReadsEveryKind) {
  const auto replies = Read("+OK\r\n:-42\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*0\r\n-ERR no\r\n");
  ASSERT_EQ(replies.size(), 7u);
  EXPECT_EQ(replies[0]->text, "OK");
  EXPECT_EQ(replies[1]->integer, -42);
  EXPECT_EQ(replies[2]->text, "a\r\n");
  EXPECT_TRUE(replies[3]->is_nil());
  EXPECT_TRUE(replies[4]->is_nil());
  EXPECT_EQ(replies[5]->kind, Reply::Kind::kArray);
  EXPECT_FALSE(replies[6]);
  EXPECT_EQ(replies[6].error().message(), "ERR no");
}

TEST_P(RespReaderTest, ReadsNestedArraysWithErrorsInside) {
  const auto replies = Read("*3\r\n*2\r\n:1\r\n$1\r\nx\r\n-ERR inner\r\n$-1\r\n+next\r\n");
  ASSERT_EQ(replies.size(), 1u + 1u);
  const auto& items = replies[0]->items;
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].items[0].integer, 1);
  EXPECT_EQ(items[0].items[1].text, "x");
  EXPECT_EQ(items[1].kind, Reply::Kind::kError);
  EXPECT_EQ(items[1].text, "ERR inner");
  EXPECT_TRUE(items[2].is_nil());
  EXPECT_EQ(replies[1]->text, "next");
}

TEST_P(RespReaderTest, NoRespIsNoticed) {
  EXPECT_TRUE(Read("HTTP/1.1 400 Bad Request\r\n").empty());
  EXPECT_THAT(reader_.broken(), HasSubstr("Protocol error"));
}

INSTANTIATE_TEST_SUITE_P(Chunks, RespReaderTest, testing::Values(1, 2, 7, 10000));

}  // namespace
}  // namespace parley::storage
