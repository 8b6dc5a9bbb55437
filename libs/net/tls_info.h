#pragma once

#include <openssl/types.h>

#include <string>
#include <vector>

#include "libs/net/tls.h"

namespace parley::net {

// What the finished handshake of a server tells.
TlsInfo DescribeTls(SSL* ssl, std::string sni);

// tls-exporter (RFC 9266); empty if it must not be used.
std::string ExporterBinding(SSL* ssl);

// tls-server-end-point (RFC 5929 4.1) of a certificate; empty if it is not defined for its signature algorithm.
std::string EndPointBinding(const X509* certificate);
// Computed once for a certificate that is shown in many handshakes.
void RememberEndPoint(X509* certificate);

// id-on-xmppAddr (RFC 6120 13.7.1.4, XEP-0178) in subjectAltName.
std::vector<std::string> XmppAddresses(const X509* certificate);

}  // namespace parley::net
