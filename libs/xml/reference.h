#pragma once

#include <string_view>

namespace parley::xml {

// What stands between & and ;
struct Reference {
  enum class Kind {
    kCharacter,  // one of the five entities, or a character reference
    kEntity,     // another entity: XMPP has none (RFC 6120 11.1)
    kMalformed,
  };
  Kind kind;
  char32_t code;
};

Reference ParseReference(std::string_view body);

}  // namespace parley::xml
