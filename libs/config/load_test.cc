#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "libs/config/config.h"
#include "tests/support/certificates.h"

namespace parley::config {
namespace {

using testing::ExitedWithCode;

class LoadTest : public testing::Test {
 protected:
  Config Load(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "parley-roster");
    std::vector<char*> words;
    for (auto& argument : arguments) words.push_back(argument.data());
    return LoadOrExit(static_cast<int>(words.size()), words.data(), "roster");
  }
  const test::TempDirectory directory_;
  const std::string file_ =
      directory_.Write("parley.yaml", "hosts:\n  - domain: example.org\nroster: {max_items: 7}\n");
};

TEST_F(LoadTest, TakesFileOverridesAndInstance) {
  const Config config =
      Load({"--config", file_, "--set", "roster.max_groups=3", "--set=roster.migrate=false", "--instance", "roster-9"});
  EXPECT_EQ(config.roster.max_items, 7u);
  EXPECT_EQ(config.roster.max_groups, 3u);
  EXPECT_FALSE(config.roster.migrate);
  EXPECT_EQ(config.cluster.instance, "roster-9");
  EXPECT_EQ(config.log.service, "roster");
  EXPECT_EQ(config.log.instance, "roster-9");
}

TEST_F(LoadTest, BadConfigurationEndsWithOneLineAndStatusTwo) {
  EXPECT_EXIT(
      Load({"--config", file_, "--set", "roster.max_item=3"}), ExitedWithCode(2),
      "^parley-roster: --set roster.max_item: unknown key 'roster.max_item'; did you mean 'roster.max_items'\\?\n$");
  EXPECT_EXIT(Load({"--config", "/nonexistent/file"}), ExitedWithCode(2), "/nonexistent/file: cannot be read");
  const std::string broken =
      directory_.Write("broken.yaml", "hosts:\n  - domain: example.org\nroster: {max_items: x}\n");
  EXPECT_EXIT(Load({"--config", broken}), ExitedWithCode(2), "broken.yaml:3: roster.max_items: 'x'");
}

TEST_F(LoadTest, BadCommandLineEndsWithStatusTwo) {
  EXPECT_EXIT(Load({"--confg", file_}), ExitedWithCode(2), "unknown option '--confg'");
  EXPECT_EXIT(Load({"--config"}), ExitedWithCode(2), "--config needs a value");
  EXPECT_EXIT(Load({"--config", file_, "more"}), ExitedWithCode(2), "unexpected 'more'");
}

TEST_F(LoadTest, ChecksAndPrintsEndWithStatusZero) {
  EXPECT_EXIT(Load({"--config", file_, "--check-config"}), ExitedWithCode(0), "");
  EXPECT_EXIT(Load({"--help"}), ExitedWithCode(0), "");
  EXPECT_EXIT(Load({"--version"}), ExitedWithCode(0), "");
  EXPECT_EXIT(Load({"--print-config-reference"}), ExitedWithCode(0), "");
  EXPECT_EXIT(Load({"--config", file_, "--check-config", "--set",
                    "hosts=[{domain: a.b, certificate_file: /nonexistent/c, key_file: /nonexistent/k}]"}),
              ExitedWithCode(2), "/nonexistent/c");
}

}  // namespace
}  // namespace parley::config
