#include "libs/net/handshakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace parley::net {
namespace {

using ::testing::ElementsAre;

class HandshakesTest : public ::testing::Test {
 protected:
  // Notes that it had its turn.
  class Noted final : public Handshakes::Step {
   public:
    Noted(std::vector<std::string>& notes, std::string name, bool works)
        : notes_(notes), name_(std::move(name)), works_(works) {}
    bool ContinueHandshake() override {
      notes_.push_back(name_);
      return works_;
    }

   private:
    std::vector<std::string>& notes_;
    std::string name_;
    bool works_;
  };

  void Add(std::uint64_t number, bool works = true) {
    handshakes_.Add(loop_, number, std::make_shared<Noted>(notes_, std::to_string(number), works));
  }
  void Note(const std::string& text) { notes_.push_back(text); }
  // Notes each turn until so many have ended.
  void NoteTurns(int count) {
    if (count == 0) return loop_.Stop();
    loop_.Post([this, count] {
      Note("turn");
      loop_.AtEndOfTurn([this, count] { NoteTurns(count - 1); });
    });
  }

  Loop loop_;
  Handshakes handshakes_;
  std::vector<std::string> notes_;
};

TEST_F(HandshakesTest, AFewGoOnInEachTurnOldestFirst) {
  for (int i = 0; i < 5; ++i) handshakes_.Begin(2);
  loop_.Post([this] {
    for (const std::uint64_t number : {4, 3, 5, 1, 2}) Add(number);
  });
  NoteTurns(4);
  loop_.Run();
  EXPECT_THAT(notes_, ElementsAre("turn", "1", "2", "turn", "3", "4", "turn", "5", "turn"));
  EXPECT_EQ(handshakes_.delayed(), 3u);
}

TEST_F(HandshakesTest, WhoBeganEarlierOvertakesThoseThatWait) {
  for (int i = 0; i < 3; ++i) handshakes_.Begin(1);
  loop_.Post([this] {
    Add(2);
    Add(3);
    loop_.AtEndOfTurn([this] { loop_.Post([this] { Add(1); }); });
  });
  NoteTurns(4);
  loop_.Run();
  EXPECT_THAT(notes_, ElementsAre("turn", "2", "turn", "1", "turn", "3", "turn"));
}

TEST_F(HandshakesTest, GoOnBehindWhatTheTurnHasToSend) {
  handshakes_.Begin(1);
  loop_.Post([this] {
    Add(1);
    loop_.AtEndOfTurn([this] { Note("sent"); });
  });
  NoteTurns(1);
  loop_.Run();
  EXPECT_THAT(notes_, ElementsAre("turn", "sent", "1"));
}

// Or whoever sends its first flight byte by byte would have the turns of others.
TEST_F(HandshakesTest, ALookThatWasNoWorkTakesNobodysTurn) {
  for (int i = 0; i < 3; ++i) handshakes_.Begin(1);
  loop_.Post([this] {
    Add(1, false);
    Add(2, false);
    Add(3);
  });
  NoteTurns(1);
  loop_.Run();
  EXPECT_THAT(notes_, ElementsAre("turn", "1", "2", "3"));
}

TEST_F(HandshakesTest, OneIsAddedOnce) {
  handshakes_.Begin(1);
  loop_.Post([this] {
    Add(1);
    Add(1);
  });
  NoteTurns(2);
  loop_.Run();
  EXPECT_THAT(notes_, ElementsAre("turn", "1", "turn"));
  EXPECT_EQ(handshakes_.delayed(), 0u);
}

}  // namespace
}  // namespace parley::net
