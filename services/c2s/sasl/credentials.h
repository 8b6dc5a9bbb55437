#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/rpc/accounts_client.h"
#include "libs/xmpp/jid.h"
#include "libs/xmpp/scram.h"
#include "services/c2s/sasl/mechanism.h"

// What the mechanisms with passwords share.
namespace parley::c2s {

// The account that a SASL user name means on `domain`; nullopt: none can have that name.
std::optional<xmpp::Jid> AccountOf(std::string_view username, std::string_view domain);

// RFC 6120 6.3.8: to act as somebody else is not provided for; naming oneself is fine.
bool MayActAs(std::string_view authzid, const xmpp::Jid& account);

// The keys for `hash`, or why there are none.
Result<xmpp::scram::Keys, SaslFailure> KeysFor(xmpp::scram::Hash hash,
                                               const Result<rpc::AccountsClient::Credential>& answer);

}  // namespace parley::c2s
