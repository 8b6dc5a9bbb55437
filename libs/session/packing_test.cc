#include "libs/session/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/session/queue.h"

namespace parley::session {
namespace {

using ::testing::ElementsAre;

std::string Stanza(int number, std::size_t bytes = 0) {
  return "<message id='" + std::to_string(number) + "'>" + std::string(bytes, 'x') + "</message>";
}

std::string Encoded(int number, std::size_t bytes = 0) {
  link::v1::Envelope envelope;
  envelope.set_stanza(Stanza(number, bytes));
  return Encode(envelope, 1000 + number, 0);
}

// Of stanzas that it holds.
struct Packed {
  Packed(std::vector<std::string> stanzas, std::size_t most, std::uint64_t handled = 0)
      : encoded(std::move(stanzas)),
        packing(std::vector<std::string_view>(encoded.begin(), encoded.end()), most, handled) {}

  std::vector<std::uint32_t> Counts() const {
    std::vector<std::uint32_t> counts;
    for (const Element& element : packing.elements()) counts.push_back(element.stanzas);
    return counts;
  }
  std::string Bytes(std::size_t element) const { return std::string(packing.elements().at(element).bytes); }

  std::vector<std::string> encoded;
  Packing packing;
};

void Add(storage::Reply& reply, const Packed& packed) {
  for (const Element& element : packed.packing.elements()) reply.items.emplace_back().text = element.bytes;
}

// As who reads them behind `header` understands them.
QueueContents Read(const Packed& packed, const v1::QueueHeader& header = {}) {
  storage::Reply reply;
  reply.items.emplace_back().text = Encode(header);
  Add(reply, packed);
  auto contents = DecodeQueue(reply);
  EXPECT_TRUE(contents);
  return contents ? *contents : QueueContents();
}

std::vector<std::string> Stanzas(const QueueContents& contents) {
  std::vector<std::string> stanzas;
  for (const auto& queued : contents.stanzas) stanzas.push_back(queued.envelope().stanza());
  return stanzas;
}

TEST(Packing, WhatIsPackedComesOutInOrder) {
  const Packed packed({Encoded(1), Encoded(2), Encoded(3)}, 2, 7);
  EXPECT_THAT(packed.Counts(), ElementsAre(2, 1));
  const auto contents = Read(packed);
  EXPECT_THAT(Stanzas(contents), ElementsAre(Stanza(1), Stanza(2), Stanza(3)));
  EXPECT_THAT(contents.counts, ElementsAre(2, 1));
  EXPECT_EQ(contents.length, 3u);
  EXPECT_EQ(contents.stanzas[1].at(), 1002);
  EXPECT_EQ(contents.header.handled(), 7u);
}

TEST(Packing, APackedElementSaysWhatIsHandled) {
  EXPECT_EQ(Read(Packed({Encoded(1), Encoded(2)}, 10, 300)).header.handled(), 300u);
}

TEST(Packing, EachByItselfIsWhatAFormerReleaseReads) {
  const Packed packed({Encoded(1), Encoded(2)}, 1, 300);
  ASSERT_THAT(packed.Counts(), ElementsAre(1, 1));
  EXPECT_EQ(packed.Bytes(0), Encoded(1));
  EXPECT_TRUE(packed.Bytes(1).ends_with(Encoded(2)));
  EXPECT_EQ(Read(packed).header.handled(), 300u);
}

TEST(Packing, TakesFewerBytes) {
  std::vector<std::string> encoded;
  for (int i = 0; i < 10; ++i) encoded.push_back(Encoded(i, static_cast<std::size_t>(10 * i)));
  EXPECT_LT(Packed(encoded, 10).Bytes(0).size(), Packed(encoded, 1).packing.bytes() / 2);
}

TEST(Packing, WhatIsLargeIsByItself) {
  const Packed packed({Encoded(1), Encoded(2, 70000), Encoded(3, 70000), Encoded(4), Encoded(5)}, 10);
  EXPECT_THAT(packed.Counts(), ElementsAre(1, 1, 1, 2));
}

TEST(Packing, WhatIsAcknowledgedOfAPackedElementIsNotThere) {
  v1::QueueHeader header;
  header.set_acked(12);
  header.set_skip(2);
  const auto contents = Read(Packed({Encoded(11), Encoded(12), Encoded(13)}, 3), header);
  EXPECT_THAT(Stanzas(contents), ElementsAre(Stanza(13)));
  EXPECT_EQ(contents.total(), 13u);
  EXPECT_THAT(contents.counts, ElementsAre(3));
}

TEST(Packing, WhatIsSkippedMustBeThere) {
  const auto reads = [](std::uint32_t skip, const std::vector<std::string>& encoded) {
    v1::QueueHeader header;
    header.set_skip(skip);
    storage::Reply reply;
    reply.items.emplace_back().text = Encode(header);
    Add(reply, Packed(encoded, 2));
    return static_cast<bool>(DecodeQueue(reply));
  };
  EXPECT_TRUE(reads(1, {Encoded(1), Encoded(2), Encoded(3)}));
  EXPECT_FALSE(reads(2, {Encoded(1), Encoded(2), Encoded(3)})) << "it is all that the first element has";
  EXPECT_FALSE(reads(1, {}));
}

TEST(Packing, WhatALaterReleaseMayWriteIsNoEmptyStanza) {
  storage::Reply reply;
  reply.items.emplace_back().text = Encode(v1::QueueHeader());
  v1::QueueElement unknown;
  unknown.GetReflection()->MutableUnknownFields(&unknown)->AddVarint(15, 1);
  reply.items.emplace_back().text = unknown.SerializeAsString();
  EXPECT_FALSE(DecodeQueue(reply));
}

// The last header counts, and what is before it is gone.
TEST(Packing, OfATrimThatWasCutOffTheRestIsThere) {
  storage::Reply reply;
  Add(reply, Packed({Encoded(1), Encoded(2)}, 2));
  v1::QueueHeader header;
  header.set_acked(3);
  header.set_skip(1);
  reply.items.emplace_back().text = Encode(header);
  Add(reply, Packed({Encoded(3), Encoded(4)}, 2));
  const auto contents = DecodeQueue(reply);
  ASSERT_TRUE(contents);
  EXPECT_THAT(Stanzas(*contents), ElementsAre(Stanza(4)));
  EXPECT_THAT(contents->counts, ElementsAre(2));
}

TEST(Packing, WhatPackingDidNotMakeIsRefused) {
  v1::QueueElement element;
  ASSERT_TRUE(element.ParseFromString(Packed({Encoded(1), Encoded(2)}, 2).Bytes(0)));
  std::vector<v1::Queued> stanzas;
  v1::Packed whole = element.packed();
  EXPECT_TRUE(Unpack(whole, stanzas));
  v1::Packed cut = whole;
  cut.mutable_block()->pop_back();
  v1::Packed longer = whole;
  longer.set_size(whole.size() + 1);
  v1::Packed shorter = whole;
  shorter.set_size(whole.size() - 1);
  v1::Packed huge = whole;
  huge.set_size(4'000'000'000);
  v1::Packed other = whole;
  other.mutable_block()->assign(whole.block().size(), '\xff');
  for (const auto& bad : {cut, longer, shorter, huge, other}) EXPECT_FALSE(Unpack(bad, stanzas));
  EXPECT_EQ(stanzas.size(), 2u) << "of the one that is whole";
}

}  // namespace
}  // namespace parley::session
