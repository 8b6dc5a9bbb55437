#include <unicode/unistr.h>
#include <unicode/usprep.h>

#include <algorithm>

#include "libs/xmpp/jid.h"
#include "libs/xmpp/precis.h"

namespace parley::xmpp {
namespace {

constexpr std::size_t kMaxPassword = 4096;

const UStringPrepProfile* Profile() {
  static const UStringPrepProfile* const kProfile = [] {
    UErrorCode status = U_ZERO_ERROR;
    return usprep_openByType(USPREP_RFC4013_SASLPREP, &status);
  }();
  return kProfile;
}

// RFC 4013. What Unicode 3.2 did not have passes as it is: else there would be no emoji in passwords.
std::optional<std::string> SaslPrep(std::string_view text) {
  if (Profile() == nullptr || !precis::Decode(text)) return std::nullopt;
  const icu::UnicodeString source =
      icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int>(text.size())));
  const int room = 18 * source.length();  // NFKC makes at most 18 of one
  icu::UnicodeString prepared;
  UErrorCode status = U_ZERO_ERROR;
  const int length = usprep_prepare(Profile(), source.getBuffer(), source.length(), prepared.getBuffer(room), room,
                                    USPREP_ALLOW_UNASSIGNED, nullptr, &status);
  prepared.releaseBuffer(U_FAILURE(status) ? 0 : length);
  if (U_FAILURE(status)) return std::nullopt;
  std::string utf8;
  prepared.toUTF8String(utf8);
  return utf8;
}

}  // namespace

std::optional<std::string> PreparePassword(std::string_view text) {
  if (text.empty() || text.size() > kMaxPassword) return std::nullopt;
  if (std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7E; })) return std::string(text);
  auto prepared = SaslPrep(text);
  if (!prepared) prepared = precis::OpaqueString(text);
  return prepared && !prepared->empty() ? prepared : std::nullopt;
}

}  // namespace parley::xmpp
