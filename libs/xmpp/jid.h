#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::xmpp {

// An address (RFC 7622): always valid and prepared, so that comparing bytes compares addresses.
// ASCII in lower case takes a fast path; the rest goes through ICU (PRECIS UsernameCaseMapped, OpaqueString, UTS 46).
class Jid {
 public:
  // `room`: memory for its text, if there is some to be had; what it says does not matter, and `text` is no part of it.
  static std::optional<Jid> Parse(std::string_view text, std::string room = {});
  // Each part is prepared. `local` and `resource` may be empty.
  static std::optional<Jid> Make(std::string_view local, std::string_view domain, std::string_view resource = {});

  Jid() = default;  // empty: no address

  bool empty() const { return text_.empty(); }
  std::string_view local() const;
  std::string_view domain() const;
  std::string_view resource() const;
  bool is_bare() const { return !empty() && resource_at_ == 0; }
  bool is_full() const { return resource_at_ != 0; }
  Jid Bare() const;
  std::string_view bare() const;                                     // a view into str()
  std::optional<Jid> WithResource(std::string_view resource) const;  // prepared; nullopt if invalid
  const std::string& str() const& { return text_; }
  std::string str() && { return std::move(text_); }

  bool operator==(const Jid& other) const { return text_ == other.text_; }
  auto operator<=>(const Jid& other) const { return text_ <=> other.text_; }

 private:
  std::string text_;
  std::uint16_t domain_at_ = 0;    // index of the domain's first byte
  std::uint16_t resource_at_ = 0;  // index of the resource's first byte; 0: none
};

// The parts of an already prepared JID (from an envelope or a store), without checks or copies.
std::string_view BareOf(std::string_view prepared);
std::string_view DomainOf(std::string_view prepared);
std::string_view ResourceOf(std::string_view prepared);
std::string_view LocalOf(std::string_view prepared);

// Single parts, for stored names and SASL authentication ids. nullopt: not allowed.
std::optional<std::string> PrepareLocal(std::string_view text);
std::optional<std::string> PrepareDomain(std::string_view text);
std::optional<std::string> PrepareResource(std::string_view text);
// For passwords: SASLprep (RFC 4013), because SCRAM's clients do so (RFC 5802 section 5.1: both sides must arrive at
// the same bytes); what it refuses but OpaqueString (RFC 8265 section 4) takes is prepared by that.
std::optional<std::string> PreparePassword(std::string_view text);

}  // namespace parley::xmpp
