#pragma once

#include "libs/xml/scanner.h"
#include "libs/xmpp/errors.h"

namespace parley::c2s {

// RFC 6120 4.9.3: what the scanner found, in the stream's words.
xmpp::StreamError FaultError(xml::Fault fault);

}  // namespace parley::c2s
