#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/c2s/stream/identity.h"

namespace parley::c2s {

class Stream;

// Why an exchange failed (RFC 6120 6.5), by name as for stanza errors.
struct SaslFailure {
  // Whether it was an attempt to get in that counts against the address and is answered slowly.
  enum class Blame { kNone, kGuess };
  std::string_view condition;  // static storage
  std::string_view text;       // static storage
  Blame blame = Blame::kNone;
};
inline constexpr SaslFailure kAborted{"aborted", ""};
inline constexpr SaslFailure kEncryptionRequired{"encryption-required", "negotiate TLS first"};
inline constexpr SaslFailure kIncorrectEncoding{"incorrect-encoding", ""};
inline constexpr SaslFailure kInvalidAuthzid{"invalid-authzid", "", SaslFailure::Blame::kGuess};
inline constexpr SaslFailure kInvalidMechanism{"invalid-mechanism", ""};
inline constexpr SaslFailure kMalformedRequest{"malformed-request", ""};
inline constexpr SaslFailure kMechanismTooWeak{"mechanism-too-weak", "not allowed on this host"};
inline constexpr SaslFailure kNotAuthorized{"not-authorized", "", SaslFailure::Blame::kGuess};
// The password was not even looked at: another mechanism may do.
inline constexpr SaslFailure kBindingUnsupported{"not-authorized", "this channel binding is not available"};
inline constexpr SaslFailure kTemporaryFailure{"temporary-auth-failure", "try again later"};
inline constexpr SaslFailure kTooManyFailures{"temporary-auth-failure", "too many failures from your address"};

// What a mechanism may say. One answer per message, at once or later.
class Exchange {
 public:
  virtual void Challenge(std::string_view data) = 0;
  // `data`: additional data with success (RFC 6120 6.4.6).
  virtual void Succeed(Identity identity, std::string_view data) = 0;
  virtual void Refuse(const SaslFailure& failure) = 0;

 protected:
  ~Exchange() = default;
};

// One exchange of one mechanism; the client speaks first in all of ours.
class Mechanism {
 public:
  virtual ~Mechanism() = default;
  virtual void OnMessage(std::string message) = 0;
};

// A row of the table of mechanisms: most wanted first.
struct MechanismRow {
  enum class Offer {
    kYes,
    kNoTls,    // only under TLS
    kWeak,     // the host's configuration does not allow it
    kMissing,  // something that it needs is not there
  };
  std::string_view name;
  Offer (*offer)(const Stream& stream);
  std::shared_ptr<Mechanism> (*make)(Stream& stream, Exchange& exchange);
};
const std::vector<MechanismRow>& Mechanisms();

// One file each.
MechanismRow ScramSha1();
MechanismRow ScramSha1Plus();
MechanismRow ScramSha256();
MechanismRow ScramSha256Plus();
MechanismRow Plain();
MechanismRow External();
MechanismRow Anonymous();

}  // namespace parley::c2s
