#include "services/router/mailbox.h"

#include <gmock/gmock.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace parley::router {
namespace {

using ::testing::ElementsAre;

// What is owed for a message whose link broke, or not; counts how often that is looked at.
class CountedDebt final : public rpc::Receipt::Debt {
 public:
  CountedDebt(bool severed, std::size_t& looks) : severed_(severed), looks_(looks) {}
  bool severed() const override {
    ++looks_;
    return severed_;
  }

 private:
  void Settle(rpc::RefusalReason) override {}
  bool severed_;
  std::size_t& looks_;
};

class MailboxTest : public ::testing::Test {
 protected:
  rpc::Held Message(std::uint64_t number, bool repeat, bool severed = false) {
    rpc::Held held{std::make_unique<rpc::Envelope>(), rpc::Receipt(std::make_unique<CountedDebt>(severed, looks_))};
    held.envelope->set_kind(link::v1::KIND_MESSAGE);
    held.envelope->set_origin("romeo");
    held.envelope->set_origin_seq(number);
    held.envelope->set_repeat(repeat);
    return held;
  }
  void Add(rpc::Held held) { mailbox_.PushBack(Work{std::move(held), {}, {}}); }
  void AddJob(const std::string& name, bool may_overtake) {
    Work work;
    work.job.failed = [this, name] { called_.push_back(name); };
    if (may_overtake) work.job.may_overtake = [this](Account&) { return open_; };
    mailbox_.PushBack(std::move(work));
  }
  std::vector<std::uint64_t> TakeAll() {
    std::vector<std::uint64_t> numbers;
    while (!mailbox_.empty()) {
      const Work work = mailbox_.PopFront();
      numbers.push_back(work.held.envelope->origin_seq() + (work.held.envelope->repeat() ? 100 : 0));
    }
    return numbers;
  }

  std::size_t looks_ = 0;
  bool open_ = true;
  std::vector<std::string> called_;
  Account account_{"juliet@home.example"};
  Mailbox mailbox_;
};

TEST_F(MailboxTest, ARepeatTakesThePlaceOfWhatIsOwedToNobodyAnyMore) {
  for (const std::uint64_t number : {1, 2, 3}) Add(Message(number, false, number != 2));
  rpc::Held third = Message(3, true);
  EXPECT_TRUE(mailbox_.TakesPlace(third));
  rpc::Held second = Message(2, true);
  EXPECT_FALSE(mailbox_.TakesPlace(second));  // its sender waits for the first one yet
  rpc::Held other = Message(4, true);
  EXPECT_FALSE(mailbox_.TakesPlace(other));
  rpc::Held first = Message(1, false);
  EXPECT_FALSE(mailbox_.TakesPlace(first));
  EXPECT_THAT(TakeAll(), ElementsAre(1, 2, 103));
}

TEST_F(MailboxTest, WhatIsTakenOutHasNoPlaceToTake) {
  for (const std::uint64_t number : {1, 2}) Add(Message(number, false, true));
  rpc::Held unknown = Message(9, true);
  EXPECT_FALSE(mailbox_.TakesPlace(unknown));
  mailbox_.PopFront();
  Add(Message(3, false, true));
  mailbox_.PushFront(Work{Message(4, false, true), {}, {}});
  rpc::Held gone = Message(1, true);
  EXPECT_FALSE(mailbox_.TakesPlace(gone));
  for (const std::uint64_t number : {2, 3, 4}) {
    rpc::Held repeat = Message(number, true);
    EXPECT_TRUE(mailbox_.TakesPlace(repeat));
  }
  EXPECT_THAT(TakeAll(), ElementsAre(104, 102, 103));
}

// Thousands come again together when a link breaks; the loop has other things to do, too.
TEST_F(MailboxTest, RepeatsDoNotPassOverAllThatWaits) {
  constexpr std::uint64_t kMany = 2000;
  for (std::uint64_t number = 1; number <= kMany; ++number) Add(Message(number, true, number % 2 == 0));
  looks_ = 0;
  for (std::uint64_t number = 1; number <= kMany; ++number) {
    rpc::Held repeat = Message(number, true);
    EXPECT_EQ(mailbox_.TakesPlace(repeat), number % 2 == 0);
  }
  EXPECT_LE(looks_, 2 * kMany);
}

TEST_F(MailboxTest, JobsThatMayOvertakeAreFoundBehindOthers) {
  Add(Message(1, false));
  AddJob("waits", false);
  EXPECT_FALSE(mailbox_.has_overtakers());
  AddJob("first", true);
  AddJob("second", true);
  open_ = false;
  EXPECT_TRUE(mailbox_.has_overtakers());
  EXPECT_FALSE(mailbox_.PopOvertaker(account_).has_value());
  open_ = true;
  while (const auto work = mailbox_.PopOvertaker(account_)) work->job.failed();
  EXPECT_THAT(called_, ElementsAre("first", "second"));
  EXPECT_FALSE(mailbox_.has_overtakers());
  EXPECT_EQ(mailbox_.size(), 2u);
}

}  // namespace
}  // namespace parley::router
