#pragma once

#include <optional>
#include <string>
#include <string_view>

// The two messages of a SCRAM client as their grammar says (RFC 5802 section 7). Views into the message.
namespace parley::xmpp::scram {

enum class BindingFlag { kNone, kUnused, kUsed };  // gs2-cbind-flag: 'n', 'y', 'p'

struct ClientFirstMessage {
  BindingFlag flag = BindingFlag::kNone;
  std::string_view binding_name;  // with kUsed
  std::string_view gs2_header;
  std::string_view bare;
  std::string authzid;   // unescaped; empty: none
  std::string username;  // unescaped
  std::string_view nonce;
};
std::optional<ClientFirstMessage> ParseClientFirst(std::string_view message);

struct ClientFinalMessage {
  std::string binding;  // decoded: gs2-header and what follows it
  std::string_view nonce;
  std::string_view without_proof;
  std::string proof;  // decoded
};
std::optional<ClientFinalMessage> ParseClientFinal(std::string_view message);

}  // namespace parley::xmpp::scram
