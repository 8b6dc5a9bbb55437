#pragma once

#include "libs/xml/element.h"
#include "parley/transfer/v1/transfer.pb.h"

namespace parley::ctl {

// The keys or the password of a <user/> (see UserFromPie).
void TakeCredentials(const xml::Element& user, transfer::v1::User& out);

}  // namespace parley::ctl
