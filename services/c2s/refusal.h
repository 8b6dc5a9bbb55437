#pragma once

#include <string_view>

#include "services/c2s/streams.h"

namespace parley::c2s {

// Closes a connection that is not admitted, for this condition of a stream error (RFC 6120 4.9.3). Says so in one
// packet, without a stream of ours: a stream error in the clear or, where the peer speaks TLS, the alert
// internal_error, since a handshake, behind which more could be said, is what a server that is full cannot pay. Returns
// what was said, a label of parley_c2s_connections_refused_total. Takes the descriptor.
std::string_view Refuse(int fd, Streams::Kind kind, std::string_view condition);

}  // namespace parley::c2s
