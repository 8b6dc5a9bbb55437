#pragma once

#include <string>

#include "libs/net/tls.h"

namespace parley::net {

enum class Alpn {
  kRequired,  // XEP-0368: a client that offers protocols, but not ours, is refused (RFC 7301 3.2)
  kOptional,  // STARTTLS
};

// What the callbacks of a handshake need; the application data of its SSL until it is done.
struct ClientHello {
  const TlsContexts& contexts;
  Alpn alpn;
  std::string sni;
};

}  // namespace parley::net
