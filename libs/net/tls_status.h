#pragma once

namespace parley::net {

// What became of a step of a TLS connection.
enum class TlsStatus { kDone, kBlockedOnRead, kBlockedOnWrite, kEnd, kFailed };

}  // namespace parley::net
