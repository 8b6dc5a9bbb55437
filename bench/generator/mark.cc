#include "bench/generator/mark.h"

#include <charconv>

namespace parley::bench {
namespace {

// Before any stanza of this run; processes of load have it from the one that began them.
const Nanoseconds kBegan = Now();

char* Hex(char* to, char* end, std::uint64_t value) { return std::to_chars(to, end, value, 16).ptr; }

bool Parse(std::string_view& text, char end, auto& value) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || at == text.data() + text.size() || *at != end) return false;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()) + 1);
  return true;
}

}  // namespace

std::string Mark::ToString() const {
  char text[40];
  char* const end = text + sizeof text;
  char* at = text;
  *at++ = '~';
  at = Hex(at, end, flow);
  *at++ = '.';
  at = Hex(at, end, number);
  *at++ = '.';
  at = Hex(at, end, due);
  *at++ = '~';
  return std::string(text, at);
}

std::optional<Mark> Mark::Find(std::string_view text) {
  const std::size_t start = text.find('~');
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start + 1);
  Mark mark;
  if (!Parse(text, '.', mark.flow) || !Parse(text, '.', mark.number) || !Parse(text, '~', mark.due))
    return std::nullopt;
  if (mark.due < kBegan) return std::nullopt;
  return mark;
}

}  // namespace parley::bench
