#include "services/roster/offline/offline_writer.h"

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/run_until.h"

namespace parley::roster {
namespace {

using testing::ElementsAre;

// Holds each commit until the test lets it go.
class SlowStore final : public OfflineStore {
 public:
  void Store(std::vector<v1::StoreOffline> messages, Reply<StoredEach> reply) override {
    sizes.push_back(messages.size());
    for (const auto& message : messages) stanzas.push_back(message.stanza());
    running = std::move(reply);
  }
  void Fetch(const v1::FetchOffline&, Reply<v1::OfflineMessages>) override {}
  void Delete(const v1::DeleteOffline&, Reply<v1::Deleted>) override {}
  void Forget(std::chrono::milliseconds, Reply<std::uint32_t>) override {}

  void Succeed() {
    StoredEach outcomes(sizes.back(), v1::Stored());
    std::exchange(running, nullptr)(outcomes);
  }
  void Fail(v1::Problem problem = v1::PROBLEM_STORE) { std::exchange(running, nullptr)(problem); }

  std::vector<std::size_t> sizes;
  std::vector<std::string> stanzas;
  Reply<StoredEach> running;
};

class OfflineWriterTest : public testing::Test {
 protected:
  void Store(OfflineWriter& writer, const std::string& stanza, const std::string& owner = "juliet@home.example") {
    v1::StoreOffline message;
    message.set_owner(owner);
    message.set_stanza(stanza);
    writer.Store(message, [this, stanza](Result<v1::Stored, v1::Problem> outcome) {
      answers.push_back(stanza + (outcome ? "" : MarkOf(outcome.error())));
    });
  }
  static std::string MarkOf(v1::Problem problem) {
    if (problem == v1::PROBLEM_IN_DOUBT) return "?";
    return problem == v1::PROBLEM_OVERLOADED ? " too many" : "!";
  }
  void UntilCommit(std::size_t number) {
    test::RunUntil(loop, [&] { return store.running && store.sizes.size() == number; });
  }
  // From the loop's thread, as everything in the writer is.
  void OnLoop(const std::function<void()>& action) {
    bool done = false;
    loop.Post([&] {
      action();
      done = true;
    });
    test::RunUntil(loop, [&] { return done; });
  }

  Loop loop;
  telemetry::Metrics metrics;
  SlowStore store;
  std::vector<std::string> answers;
};

TEST_F(OfflineWriterTest, GathersWhatArrivesWhileACommitRuns) {
  OfflineWriter writer(loop, store, {}, metrics);
  OnLoop([&] { Store(writer, "a"); });
  UntilCommit(1);
  OnLoop([&] {
    for (const char* stanza : {"b", "c", "d"}) Store(writer, stanza);
  });
  EXPECT_THAT(store.sizes, ElementsAre(1));
  OnLoop([&] { store.Succeed(); });
  UntilCommit(2);
  EXPECT_THAT(store.sizes, ElementsAre(1, 3));
  EXPECT_THAT(answers, ElementsAre("a"));
  OnLoop([&] { store.Succeed(); });
  EXPECT_THAT(answers, ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(store.stanzas, ElementsAre("a", "b", "c", "d"));
}

TEST_F(OfflineWriterTest, BatchIsBoundedByCountAndBytes) {
  OfflineWriter writer(loop, store, {.batch = 2, .batch_bytes = 10}, metrics);
  OnLoop([&] {
    for (const char* stanza : {"a", "b", "c", "0123456789", "d"}) Store(writer, stanza);
  });
  for (std::size_t commit = 1; commit <= 4; ++commit) {
    UntilCommit(commit);
    OnLoop([&] { store.Succeed(); });
  }
  EXPECT_THAT(store.sizes, ElementsAre(2, 1, 1, 1));
  EXPECT_EQ(answers.size(), 5u);
}

TEST_F(OfflineWriterTest, FailedBatchIsTriedOnceMoreThenRefused) {
  OfflineWriter writer(loop, store, {}, metrics);
  OnLoop([&] { Store(writer, "a"); });
  UntilCommit(1);
  OnLoop([&] { store.Fail(); });
  UntilCommit(2);
  OnLoop([&] { Store(writer, "b", "benvolio@home.example"); });
  OnLoop([&] { store.Fail(); });
  UntilCommit(3);
  OnLoop([&] { store.Succeed(); });
  EXPECT_THAT(answers, ElementsAre("a!", "b"));
}

TEST_F(OfflineWriterTest, BatchInDoubtStaysInDoubtUntilItSucceeds) {
  OfflineWriter writer(loop, store, {}, metrics);
  OnLoop([&] { Store(writer, "a"); });
  UntilCommit(1);
  OnLoop([&] { store.Fail(v1::PROBLEM_IN_DOUBT); });
  UntilCommit(2);
  OnLoop([&] { store.Fail(); });
  EXPECT_THAT(answers, ElementsAre("a?"));
}

// Else what is asked again would come behind it.
TEST_F(OfflineWriterTest, NothingOfAnAccountOvertakesWhatFailed) {
  OfflineWriter writer(loop, store, {.batch = 1}, metrics);
  OnLoop([&] {
    for (const char* stanza : {"a", "b"}) Store(writer, stanza);
  });
  UntilCommit(1);
  OnLoop([&] { store.Fail(); });
  UntilCommit(2);
  OnLoop([&] { store.Fail(); });
  EXPECT_THAT(answers, ElementsAre("a!", "b!"));
  EXPECT_THAT(store.stanzas, ElementsAre("a", "a"));
}

TEST_F(OfflineWriterTest, NothingOfAnAccountOvertakesWhatIsInDoubt) {
  OfflineWriter writer(loop, store, {.batch = 2}, metrics);
  OnLoop([&] {
    Store(writer, "a");
    Store(writer, "b");
    Store(writer, "c");
    Store(writer, "x", "benvolio@home.example");
    Store(writer, "d");
    Store(writer, "y", "benvolio@home.example");
  });
  UntilCommit(1);
  OnLoop([&] { store.Fail(v1::PROBLEM_IN_DOUBT); });
  UntilCommit(2);
  OnLoop([&] { store.Fail(); });
  EXPECT_THAT(answers, ElementsAre("a?", "b?", "c?", "d?"));
  OnLoop([&] {
    for (const char* stanza : {"a", "b", "c", "d"}) Store(writer, stanza);
  });
  for (std::size_t commit = 3; commit <= 5; ++commit) {
    UntilCommit(commit);
    OnLoop([&] { store.Succeed(); });
  }
  EXPECT_THAT(store.stanzas, ElementsAre("a", "b", "a", "b", "x", "y", "a", "b", "c", "d"));
}

TEST_F(OfflineWriterTest, SlowFailureIsNotTriedAgain) {
  OfflineWriter writer(loop, store, {.retry_within = std::chrono::milliseconds(0)}, metrics);
  OnLoop([&] { Store(writer, "a"); });
  UntilCommit(1);
  OnLoop([&] { store.Fail(); });
  EXPECT_THAT(answers, ElementsAre("a!"));
}

TEST_F(OfflineWriterTest, FullQueueRefusesAtOnce) {
  OfflineWriter writer(loop, store, {.batch = 1, .max_queue = 2}, metrics);
  OnLoop([&] {
    for (const char* stanza : {"a", "b", "c"}) Store(writer, stanza);
    EXPECT_THAT(answers, ElementsAre("c too many"));
  });
  UntilCommit(1);
  OnLoop([&] { store.Succeed(); });
  UntilCommit(2);
  OnLoop([&] { store.Succeed(); });
  EXPECT_THAT(answers, ElementsAre("c too many", "a", "b"));
}

}  // namespace
}  // namespace parley::roster
