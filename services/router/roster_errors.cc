#include "services/router/roster_errors.h"

namespace parley::router {

xmpp::StanzaError ToStanzaError(roster::v1::Problem problem) {
  switch (problem) {
    case roster::v1::PROBLEM_NO_ACCOUNT:  // an anonymous user has no roster
      return xmpp::NotAllowed("There is no account");
    case roster::v1::PROBLEM_NO_ITEM:  // RFC 6121 2.5.3
      return xmpp::ItemNotFound();
    case roster::v1::PROBLEM_TOO_MANY:
      return xmpp::ResourceConstraint("The roster is full");
    case roster::v1::PROBLEM_INVALID:  // RFC 6121 2.3.3
      return xmpp::NotAcceptable("A name or group is too long, or there are too many groups");
    default:
      return xmpp::ResourceConstraint("Rosters cannot be reached at the moment; try later");
  }
}

}  // namespace parley::router
