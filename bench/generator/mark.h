#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/generator/loop.h"

namespace parley::bench {

// What a stanza of ours carries: which conversation, its number there, and when it was due to be sent.
struct Mark {
  std::uint32_t flow = 0;
  std::uint32_t number = 0;
  Nanoseconds due = 0;

  // "~1f.2a.3b9aca00~", safe in ids and text.
  std::string ToString() const;
  // The first one in `text`, if it is of this run: a server may have kept what an earlier one left (XEP-0160, XEP-0198).
  static std::optional<Mark> Find(std::string_view text);
};

}  // namespace parley::bench
