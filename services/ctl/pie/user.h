#pragma once

#include <string>

#include "libs/xml/element.h"
#include "parley/transfer/v1/transfer.pb.h"

namespace parley::ctl {

// A <user/> of XEP-0227 1.1, also as ejabberd (SCRAM keys with one base64 too many, or in the attribute `password`) and
// Prosody (stanzas without their namespace) write it. What we do not keep (vCards, private storage, ...) is counted in
// `ignored`.
transfer::v1::User UserFromPie(const std::string& host, const xml::Element& user, std::size_t& ignored);

// As XML text, default namespace urn:xmpp:pie:0.
std::string UserToPie(const transfer::v1::User& user);

inline constexpr char kPieNs[] = "urn:xmpp:pie:0";
inline constexpr char kPieScramNs[] = "urn:xmpp:pie:0#scram";

}  // namespace parley::ctl
