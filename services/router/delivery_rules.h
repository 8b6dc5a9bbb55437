#pragma once

#include "parley/link/v1/link.pb.h"
#include "services/router/account.h"

namespace parley::router {

// How a stanza names the user.
enum class Address {
  kBare,
  kResourceHere,  // full JID, and the resource is bound
  kResourceGone,  // full JID, and it is not
};

// What becomes of a message.
enum class Outcome {
  kDeliverThere,          // to the resource that it names
  kDeliverMostAvailable,  // to those with the highest priority
  kDeliverAll,            // to all with a priority that is not negative
  kStore,                 // offline (XEP-0160); without an account or room: error
  kBounce,                // service-unavailable
  kIgnore,
};

// RFC 6121 8.5, the table of 8.5.4.
Outcome MessageRule(Address address, Reach reach, link::v1::Type type);

}  // namespace parley::router
