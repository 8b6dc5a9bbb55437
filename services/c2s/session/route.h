#pragma once

#include <cstdint>
#include <string_view>

#include "libs/config/config.h"
#include "parley/link/v1/link.pb.h"

namespace parley::c2s {

// Where a stanza goes first (ARCHITECTURE.md, "The legs of a stanza").
struct Route {
  // What has to wait for what, so that order between two entities holds ("Order"): presence reaches other local
  // accounts by way of the sender's home, messages and iqs go there directly. The rest reaches none of them.
  enum class Path : std::uint8_t { kDirect, kSpreading, kOther };
  link::v1::Leg leg = link::v1::LEG_OUTBOUND;
  Path path = Path::kOther;
  std::string_view key;  // bare JID whose home it goes to; a view into the envelope
};
Route RouteOf(const link::v1::Envelope& envelope, const config::Config& config);

// The key again, of an envelope that has its leg.
std::string_view KeyOf(const link::v1::Envelope& envelope);

}  // namespace parley::c2s
