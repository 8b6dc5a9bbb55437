#pragma once

#include <string_view>

#include "parley/link/v1/link.pb.h"

// The words of RFC 6120 8.2 and RFC 6121 4.7.1, 5.2.2, from bytes to enums. The other way: KindName and TypeName.
namespace parley::xmpp {

link::v1::Kind KindFromName(std::string_view name);  // KIND_UNSPECIFIED: no stanza
// `name` is the type attribute, empty when there is none. TYPE_UNSPECIFIED: not allowed for this kind.
link::v1::Type TypeFromName(link::v1::Kind kind, std::string_view name);

}  // namespace parley::xmpp
