#include "services/c2s/session/route.h"

#include "libs/xmpp/jid.h"

namespace parley::c2s {

using link::v1::Envelope;

Route RouteOf(const Envelope& envelope, const config::Config& config) {
  const auto sender = xmpp::BareOf(envelope.from());
  const std::string_view to = envelope.to();
  if (envelope.kind() == link::v1::KIND_PRESENCE || envelope.kind() == link::v1::KIND_CONTROL) {
    return {link::v1::LEG_OUTBOUND, Route::Path::kSpreading, sender};
  }
  const bool account_here = !to.empty() && !xmpp::LocalOf(to).empty() && config.FindHost(xmpp::DomainOf(to)) != nullptr;
  if (!account_here || to == sender) return {link::v1::LEG_OUTBOUND, Route::Path::kOther, sender};
  return {link::v1::LEG_INBOUND, Route::Path::kDirect, xmpp::BareOf(to)};
}

std::string_view KeyOf(const Envelope& envelope) {
  return xmpp::BareOf(envelope.leg() == link::v1::LEG_INBOUND ? envelope.to() : envelope.from());
}

}  // namespace parley::c2s
