#include "libs/session/packing.h"

#include <lz4.h>

#include <iterator>
#include <utility>

namespace parley::session {
namespace {

// More bytes than that gain little by company.
constexpr std::size_t kFull = 64 * 1024;
// Of LZ4: for ten messages a third less time than 1 takes, and a tenth more bytes.
constexpr int kAcceleration = 4;
// LZ4 makes no more than that of a byte.
constexpr std::size_t kMostOfAByte = 255;

// One behind the other, elements with a stanza each are a message of them.
static_assert(+v1::Unpacked::kStanzaFieldNumber == +v1::QueueElement::kStanzaFieldNumber);

// An element is the same with this before it, and says what is handled: parsers merge what comes of one field.
std::string SayHandled(std::uint64_t handled) {
  v1::QueueElement element;
  element.mutable_stanza()->set_handled(handled);
  return element.SerializeAsString();
}

std::string Together(std::span<const std::string_view> stanzas, std::uint64_t handled) {
  thread_local std::string bytes;
  thread_local std::vector<char> room;
  thread_local v1::QueueElement element;  // it keeps its memory, too
  bytes.clear();
  for (const std::string_view stanza : stanzas) bytes.append(stanza);
  const auto bound = static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(bytes.size())));
  if (room.size() < bound) room.resize(bound);
  const int size = LZ4_compress_fast(bytes.data(), room.data(), static_cast<int>(bytes.size()),
                                     static_cast<int>(room.size()), kAcceleration);
  auto& packed = *element.mutable_packed();
  packed.set_block(room.data(), static_cast<std::size_t>(size));
  packed.set_size(static_cast<std::uint32_t>(bytes.size()));
  packed.set_handled(handled);
  return element.SerializeAsString();
}

// How many of them, the first ones, go into one element.
std::size_t CountOfFirst(std::span<const std::string_view> stanzas, std::size_t most) {
  std::size_t bytes = stanzas[0].size();
  std::size_t count = 1;
  for (; count < most && count < stanzas.size(); ++count) {
    bytes += stanzas[count].size();
    if (bytes > kFull) break;
  }
  return count;
}

}  // namespace

Packing::Packing(std::span<const std::string_view> stanzas, std::size_t most, std::uint64_t handled) {
  elements_.reserve(stanzas.size() / most + 1);
  while (!stanzas.empty()) {
    const std::size_t count = CountOfFirst(stanzas, most);
    const std::uint64_t says = count == stanzas.size() ? handled : 0;
    std::string_view element = stanzas[0];
    if (count > 1) {
      element = made_.emplace_back(Together(stanzas.first(count), says));
    } else if (says != 0) {
      element = made_.emplace_back(SayHandled(says).append(element));
    }
    elements_.push_back({element, static_cast<std::uint32_t>(count)});
    stanzas = stanzas.subspan(count);
  }
}

std::size_t Packing::bytes() const {
  std::size_t bytes = 0;
  for (const Element& element : elements_) bytes += element.bytes.size();
  return bytes;
}

std::size_t Packing::packed() const {
  std::size_t packed = 0;
  for (const Element& element : elements_) packed += element.stanzas > 1 ? element.stanzas : 0;
  return packed;
}

bool Unpack(const v1::Packed& packed, std::vector<v1::Queued>& stanzas) {
  const std::string& block = packed.block();
  if (packed.size() > block.size() * kMostOfAByte) return false;
  std::string bytes(packed.size(), '\0');
  const int size =
      LZ4_decompress_safe(block.data(), bytes.data(), static_cast<int>(block.size()), static_cast<int>(bytes.size()));
  v1::Unpacked unpacked;
  if (size <= 0 || static_cast<std::size_t>(size) != bytes.size() || !unpacked.ParseFromString(bytes)) return false;
  auto& found = *unpacked.mutable_stanza();
  stanzas.insert(stanzas.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  return true;
}

}  // namespace parley::session
