#pragma once

#include <string>

#include "libs/net/tls.h"

namespace parley::net {

class TlsSecrets;

enum class Alpn {
  kRequired,  // XEP-0368: a client that offers protocols, but not ours, is refused (RFC 7301 3.2)
  kOptional,  // STARTTLS
};

// What the callbacks of a handshake need; the application data of its SSL until it is done.
struct ClientHello {
  const TlsContexts& contexts;
  Alpn alpn;
  std::string sni;
  TlsSecrets* secrets = nullptr;  // to be told of the keys
};

}  // namespace parley::net
