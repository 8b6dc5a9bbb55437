#include "services/c2s/negotiate/start_tls.h"

#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

constexpr std::string_view kTlsNs = "urn:ietf:params:xml:ns:xmpp-tls";

}  // namespace

void StartTls::Advertise(std::string& features) const {
  if (stream_.secure()) return;
  const bool required = stream_.context().config.c2s.starttls_required;
  features.append("<starttls xmlns='").append(kTlsNs).append(required ? "'><required/></starttls>" : "'/>");
}

bool StartTls::Take(const xml::Child& child) {
  if (child.start.ns != kTlsNs) return false;
  if (child.start.local_name == "starttls" && !stream_.secure()) {
    stream_.Secure();
    return true;
  }
  // RFC 6120 5.4.2.2: malformed, or not offered on this stream (any more).
  stream_.Write("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  stream_.End();
  return true;
}

}  // namespace parley::c2s
