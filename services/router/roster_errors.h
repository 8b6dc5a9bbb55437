#pragma once

#include "libs/xmpp/errors.h"
#include "parley/roster/v1/roster.pb.h"

namespace parley::router {

// What a client hears when the roster service did not do it.
xmpp::StanzaError ToStanzaError(roster::v1::Problem problem);

}  // namespace parley::router
