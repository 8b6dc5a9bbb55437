#pragma once

#include <openssl/types.h>

#include <string>
#include <string_view>

namespace parley::net {

// Chooses the host by SNI and answers ALPN; needs a ClientHello as application data of the SSL.
void InstallHandshakeCallbacks(SSL_CTX* context);

// The form in which a domain stands in SNI and certificates: A-labels, lower case; the text itself if it is no domain.
std::string ToAscii(std::string_view domain);

}  // namespace parley::net
