#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parley/session/v1/session.pb.h"

// Stanzas of one turn in one element of a queue's list: they say much the same, and what Redis spends on them goes by
// their bytes and their number.
namespace parley::session {

// Of a queue's list, to be appended.
struct Element {
  std::string_view bytes;
  std::uint32_t stanzas = 1;
};

class Packing {
 public:
  // `stanzas`: their elements, as Encode makes them. `most`: so many in one element; 1: each by itself. The last
  // element says that all of the client's up to `handled` is, unless that is 0.
  Packing(std::span<const std::string_view> stanzas, std::size_t most, std::uint64_t handled);
  Packing(const Packing&) = delete;
  Packing& operator=(const Packing&) = delete;
  Packing(Packing&&) = default;
  Packing& operator=(Packing&&) = default;

  // As long as this is there, and the stanzas are.
  const std::vector<Element>& elements() const { return elements_; }
  // Of these.
  std::size_t bytes() const;
  // How many stanzas share an element with others.
  std::size_t packed() const;

 private:
  std::list<std::string> made_;
  std::vector<Element> elements_;
};

// Adds what is in it. False, and nothing is added: it is not what Packing makes.
bool Unpack(const v1::Packed& packed, std::vector<v1::Queued>& stanzas);

}  // namespace parley::session
