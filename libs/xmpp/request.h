#pragma once

#include "parley/link/v1/link.pb.h"

namespace parley::xmpp {

// Of an iq: it is answered, once (RFC 6120 8.2.3). No other stanza has these types.
constexpr bool IsRequest(link::v1::Type type) { return type == link::v1::TYPE_GET || type == link::v1::TYPE_SET; }

}  // namespace parley::xmpp
