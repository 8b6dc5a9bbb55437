#include "libs/tracing/context.h"

#include <gtest/gtest.h>

namespace parley::tracing {
namespace {

constexpr char kTrace[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kSpan[] = "b7ad6b7169203331";

TEST(ContextTest, ReadsATraceparent) {
  const auto context = Context::Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, kTrace);
  EXPECT_EQ(context->span_id, kSpan);
}

TEST(ContextTest, IsWrittenAsItIsRead) {
  const Context root = Context::Root();
  const auto read = Context::Parse(root.traceparent());
  ASSERT_TRUE(read) << root.traceparent();
  EXPECT_EQ(read->trace_id, root.trace_id);
  EXPECT_EQ(read->span_id, root.span_id);
  EXPECT_EQ(root.traceparent().size(), 55u);
}

TEST(ContextTest, AChildIsAnotherSpanOfTheSameTrace) {
  const Context root = Context::Root();
  const Context child = root.Child();
  EXPECT_EQ(child.trace_id, root.trace_id);
  EXPECT_NE(child.span_id, root.span_id);
  EXPECT_NE(Context::Root().trace_id, root.trace_id);
}

struct Case {
  std::string what;
  std::string traceparent;
};
const Case kGood[] = {
    {"OtherFlagsToo", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff"},
    {"LaterVersion", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"LaterVersionWithMore", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-ever"},
};
const Case kBad[] = {
    {"Empty", ""},
    {"NotSampled", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
    {"NotSampledButRandom", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02"},
    {"VersionFf", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"UpperCase", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"},
    {"UpperCaseVersion", "0A-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"NoTrace", "00-00000000000000000000000000000000-b7ad6b7169203331-01"},
    {"NoSpan", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"},
    {"TooShort", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"},
    {"TooLong", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-"},
    {"LaterVersionRunsOn", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011"},
    {"ShortTrace", "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01"},
    {"NoHex", "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01"},
    {"FlagsNoHex", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g"},
    {"OtherSeparators", "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01"},
    {"Zeros", std::string(55, '\0')},
};

TEST(ContextTest, TakesWhatLaterVersionsMayWrite) {
  for (const auto& good : kGood) EXPECT_TRUE(Context::Parse(good.traceparent)) << good.what;
}

TEST(ContextTest, RefusesWhatIsMalformedOrNotSampled) {
  for (const auto& bad : kBad) EXPECT_FALSE(Context::Parse(bad.traceparent)) << bad.what;
}

}  // namespace
}  // namespace parley::tracing
