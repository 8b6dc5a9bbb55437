#include "services/c2s/sasl/credentials.h"

#include <algorithm>

namespace parley::c2s {

std::optional<xmpp::Jid> AccountOf(std::string_view username, std::string_view domain) {
  if (username.empty()) return std::nullopt;
  return xmpp::Jid::Make(username, domain);
}

bool MayActAs(std::string_view authzid, const xmpp::Jid& account) {
  if (authzid.empty()) return true;
  const auto wanted = xmpp::Jid::Parse(authzid);
  return wanted && *wanted == account;
}

Result<xmpp::scram::Keys, SaslFailure> KeysFor(xmpp::scram::Hash hash,
                                               const Result<rpc::AccountsClient::Credential>& answer) {
  if (!answer || answer->problem == rpc::AccountProblem::kStore) return kTemporaryFailure;
  if (answer->problem != rpc::AccountProblem::kNone) return kNotAuthorized;
  const auto& all = answer->keys;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& keys) { return keys.hash == HashName(hash); });
  if (found == all.end()) return kNotAuthorized;
  xmpp::scram::Keys keys;
  keys.hash = hash;
  keys.salt = found->salt;
  keys.iterations = found->iterations;
  keys.stored_key = found->stored_key;
  keys.server_key = found->server_key;
  return keys;
}

}  // namespace parley::c2s
