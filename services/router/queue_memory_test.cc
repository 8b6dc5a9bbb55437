#include "services/router/queue_memory.h"

#include <gtest/gtest.h>

#include "libs/base/ids.h"
#include "libs/session/acknowledged.h"

namespace parley::router {
namespace {

link::v1::Envelope From(const std::string& origin, std::uint64_t seq) {
  link::v1::Envelope envelope;
  envelope.set_origin(origin);
  envelope.set_origin_seq(seq);
  return envelope;
}

TEST(QueueMemoryTest, KnowsWhatTheQueueHolds) {
  session::QueueContents contents;
  *contents.stanzas.emplace_back().mutable_envelope() = From("juliet", 5);
  contents.stanzas.emplace_back().mutable_envelope()->set_answers(3);
  const QueueMemory memory(contents);
  EXPECT_TRUE(memory.Has(From("juliet", 5)));
  EXPECT_FALSE(memory.Has(From("juliet", 4)));
  EXPECT_FALSE(memory.Has(From("nurse", 5)));
  link::v1::Envelope answer;
  EXPECT_FALSE(memory.Has(answer));  // has no identity
  answer.set_answers(3);
  EXPECT_TRUE(memory.Has(answer));
}

// What one origin sends to a session comes in order; what another session left unacknowledged is older, and says
// nothing.
TEST(QueueMemoryTest, TellsWhatIsHandledAgainFromARepeat) {
  session::QueueContents contents;
  auto& seen = *contents.header.add_seen();
  seen.set_origin(StableHash("juliet"));
  seen.set_seq(9);
  const QueueMemory memory(contents);
  for (const std::uint64_t seq : {1u, 9u}) EXPECT_TRUE(memory.Has(From("juliet", seq))) << seq;
  EXPECT_FALSE(memory.Has(From("juliet", 10)));
  EXPECT_FALSE(memory.Has(From("nurse", 9)));
  auto again = From("juliet", 5);
  again.set_unacknowledged_by("juliet");
  again.set_unacknowledged_number(1);
  EXPECT_FALSE(memory.Has(again));
}

// A router stood still with the others, and what was acknowledged came by another.
TEST(QueueMemoryTest, KnowsOneByOneWhatWasAcknowledged) {
  session::QueueContents contents;
  auto& seen = *contents.header.add_seen();
  seen.set_origin(StableHash("juliet"));
  seen.set_seq(130);
  for (const std::uint64_t seq : {70u, 130u}) session::NoteAcknowledged(seen, seq, 4);
  auto& copies = *contents.header.add_seen();
  copies.set_origin(session::OriginOfCopies(StableHash("juliet")));
  session::NoteAcknowledged(copies, 69, 4);
  const QueueMemory memory(contents);
  auto envelope = From("juliet", 0);
  const auto has = [&](std::uint64_t seq) {
    envelope.set_origin_seq(seq);
    return memory.Has(envelope);
  };
  envelope.set_kind(link::v1::KIND_MESSAGE);
  for (const std::uint64_t seq : {130u, 69u, 70u, 63u, 127u}) EXPECT_EQ(has(seq), seq != 127) << seq;
  envelope.set_kind(link::v1::KIND_IQ);
  envelope.set_type(link::v1::TYPE_GET);
  EXPECT_FALSE(has(129));
  envelope.set_type(link::v1::TYPE_RESULT);
  EXPECT_TRUE(has(129)) << "not noted one by one";
  envelope.set_kind(link::v1::KIND_PRESENCE);
  EXPECT_TRUE(has(129));
}

TEST(QueueMemoryTest, KnowsWhatAnotherSessionLeftAndTheQueueHoldsAsWell) {
  session::QueueContents contents;
  *contents.stanzas.emplace_back().mutable_envelope() = From("juliet", 5);
  const QueueMemory memory(contents);
  auto left = From("juliet", 5);
  left.set_unacknowledged_by("ended");
  left.set_unacknowledged_number(1);
  EXPECT_TRUE(memory.Holds(left));
  left.set_origin_seq(4);
  EXPECT_FALSE(memory.Holds(left));
}

// It may have been stored for long, while its origin sent other things straight to this session.
TEST(QueueMemoryTest, KnowsWhatWasStoredByItsNumberAlone) {
  session::QueueContents contents;
  auto& seen = *contents.header.add_seen();
  seen.set_origin(StableHash("juliet"));
  seen.set_seq(9);
  for (const std::uint64_t seq : {3u, 9u}) session::NoteAcknowledged(seen, seq, 4);
  *contents.stanzas.emplace_back().mutable_envelope() = From("juliet", 10);
  const QueueMemory memory(contents);
  for (const std::uint64_t seq : {3u, 4u, 9u, 10u}) {
    auto stored = From("juliet", seq);
    stored.set_kept(true);
    EXPECT_EQ(memory.Has(stored), seq != 4) << seq;
  }
}

}  // namespace
}  // namespace parley::router
