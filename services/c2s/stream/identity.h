#pragma once

#include <string_view>

#include "libs/xmpp/jid.h"

namespace parley::c2s {

// Whom SASL found the client to be.
struct Identity {
  xmpp::Jid account;           // bare
  std::string_view mechanism;  // static storage
  bool anonymous = false;
};

}  // namespace parley::c2s
