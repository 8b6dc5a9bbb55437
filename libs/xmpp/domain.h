#pragma once

#include <string>
#include <string_view>

namespace parley::xmpp {

// Appends the domainpart in its one prepared form (RFC 7622 section 3.2): lower case, U-labels, no final dot. False,
// with `out` in an undefined state: neither a domain name nor an IP address.
bool AppendDomain(std::string& out, std::string_view text);

}  // namespace parley::xmpp
