#pragma once

#include <string>
#include <vector>

#include "services/router/testing/edge.h"
#include "services/router/testing/xml.h"

namespace parley::router::testing {

// The ids of the messages among these.
inline std::vector<std::string> Ids(const std::vector<std::string>& stanzas) {
  std::vector<std::string> ids;
  for (const auto& stanza : stanzas) {
    if (stanza.starts_with("<message")) ids.push_back(Attr(stanza, "id"));
  }
  return ids;
}

// `to` is not one of them.
inline std::vector<std::string> Numbers(int from, int to) {
  std::vector<std::string> numbers;
  for (int i = from; i < to; ++i) numbers.push_back(std::to_string(i));
  return numbers;
}

inline void Chat(Client& from, int number, const std::string& to = "juliet@home.example") {
  from.Send("<message type='chat' to='" + to + "' id='" + std::to_string(number) + "'><body>x</body></message>");
}

}  // namespace parley::router::testing
