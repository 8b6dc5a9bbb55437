#include "services/router/features/administrators.h"

#include <algorithm>

#include "libs/xmpp/jid.h"

namespace parley::router {

// An anonymous session never has the address of an account.
bool Administers(const Iq& iq, const config::Host& host) {
  const auto asker = xmpp::BareOf(iq.asker());
  return std::find(host.admins.begin(), host.admins.end(), asker) != host.admins.end();
}

const Command* FindCommand(const std::vector<Feature>& all, std::string_view node) {
  for (const auto& feature : all) {
    for (const auto& command : feature.commands) {
      if (command.node == node) return &command;
    }
  }
  return nullptr;
}

}  // namespace parley::router
