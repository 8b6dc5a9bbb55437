#include "services/c2s/stream/faults.h"

namespace parley::c2s {

xmpp::StreamError FaultError(xml::Fault fault) {
  using xmpp::StreamError;
  switch (fault) {
    case xml::Fault::kNotWellFormed:
      return StreamError("not-well-formed");
    // RFC 6120 4.9.3.1: it is well-formed, but nothing that can be processed.
    case xml::Fault::kStrayText:
      return StreamError("bad-format", "text between stanzas");
    case xml::Fault::kRestrictedXml:
      return StreamError("restricted-xml");
    case xml::Fault::kBadNamespacePrefix:
      return StreamError("bad-namespace-prefix");
    case xml::Fault::kUnsupportedEncoding:
      return StreamError("unsupported-encoding", "UTF-8 is spoken here");
    // RFC 6120 4.9.3.14 and 13.12: sizes are policy.
    case xml::Fault::kTooLarge:
      return StreamError("policy-violation", "too large");
    case xml::Fault::kTooDeep:
      return StreamError("policy-violation", "nested too deep");
    case xml::Fault::kTooManyAttributes:
      return StreamError("policy-violation", "too many attributes");
    // RFC 6120 4.9.3.24: a first-level child that nobody understands; a new header comes after TLS and SASL only.
    case xml::Fault::kSecondHeader:
      return StreamError("unsupported-stanza-type", "the stream is open already");
  }
  return StreamError();
}

}  // namespace parley::c2s
