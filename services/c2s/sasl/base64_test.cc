#include "services/c2s/sasl/base64.h"

#include <gtest/gtest.h>

namespace parley::c2s {
namespace {

TEST(Base64Test, GoesThereAndBack) {
  const std::pair<std::string, std::string> pairs[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                                       {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}};
  for (const auto& [bytes, text] : pairs) {
    EXPECT_EQ(Base64(bytes), text);
    EXPECT_EQ(FromBase64(text), bytes);
  }
}

TEST(Base64Test, IsStrict) {
  for (const std::string text : {"Z", "Zg", "Zg=", "Zg===", "====", "Zm9v\n", "Zm 9v",
                                 "Zh==", "Zm9=", "Z===", "Zg==Zg==", "Zm-v", "Zm_v", "=", "Z\0\0="}) {
    EXPECT_EQ(FromBase64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace parley::c2s
