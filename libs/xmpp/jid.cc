#include "libs/xmpp/jid.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libs/xmpp/domain.h"
#include "libs/xmpp/precis.h"

namespace parley::xmpp {
namespace {

constexpr std::size_t kMaxPart = 1023;  // RFC 7622 3.2 to 3.4, prepared
// Preparation shrinks UTF-8 at most to a third (fullwidth ASCII); what is longer need not be looked at.
constexpr std::size_t kMaxRawPart = 4 * kMaxPart;

// RFC 7622 3.3.1: what the IdentifierClass has and a localpart has not.
constexpr std::string_view kExcludedFromLocal = "\"&'/:<>@";

// What a byte of a localpart becomes; 0: not a byte that may stand there as it is.
constexpr std::array<char, 256> MakeLocalTable() {
  std::array<char, 256> table{};
  for (int c = 0x21; c <= 0x7E; ++c) table[static_cast<std::size_t>(c)] = static_cast<char>(c);
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = static_cast<char>(c + ('a' - 'A'));
  for (const char c : kExcludedFromLocal) table[static_cast<unsigned char>(c)] = 0;
  return table;
}
constexpr std::array<char, 256> kLocalTable = MakeLocalTable();

bool IsNotAscii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

bool AppendInternationalLocal(std::string& out, std::string_view text) {
  const auto prepared = precis::UsernameCaseMapped(text);
  // Looked at after preparation: a fullwidth commercial at is one by now.
  if (!prepared || prepared->size() > kMaxPart || prepared->find_first_of(kExcludedFromLocal) != std::string::npos) {
    return false;
  }
  out += *prepared;
  return true;
}

bool AppendLocal(std::string& out, std::string_view text) {
  if (text.empty() || text.size() > kMaxRawPart) return false;
  const std::size_t start = out.size();
  out.append(text);
  for (std::size_t at = start; at < out.size(); ++at) {
    const char c = kLocalTable[static_cast<unsigned char>(out[at])];
    if (c == 0) {
      if (!std::ranges::any_of(text, IsNotAscii)) return false;
      out.resize(start);
      return AppendInternationalLocal(out, text);
    }
    out[at] = c;
  }
  return text.size() <= kMaxPart;
}

bool AppendResource(std::string& out, std::string_view text) {
  if (text.empty() || text.size() > kMaxRawPart) return false;
  if (std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7E; })) {
    out += text;
    return text.size() <= kMaxPart;
  }
  const auto prepared = precis::OpaqueString(text);
  if (!prepared || prepared->size() > kMaxPart) return false;
  out += *prepared;
  return true;
}

bool AppendDomainPart(std::string& out, std::string_view text) {
  return text.size() <= kMaxRawPart && AppendDomain(out, text);
}

struct Parts {
  std::string_view local;
  std::string_view domain;
  std::string_view resource;
};

bool Fill(const Parts& parts, std::string& out, std::uint16_t& domain_at, std::uint16_t& resource_at) {
  out.clear();
  out.reserve(parts.local.size() + parts.domain.size() + parts.resource.size() + 2);
  if (!parts.local.empty()) {
    if (!AppendLocal(out, parts.local)) return false;
    out += '@';
    domain_at = static_cast<std::uint16_t>(out.size());
  }
  if (!AppendDomainPart(out, parts.domain)) return false;
  if (parts.resource.empty()) return true;
  out += '/';
  resource_at = static_cast<std::uint16_t>(out.size());
  return AppendResource(out, parts.resource);
}

std::optional<std::string> Prepared(bool (*append)(std::string&, std::string_view), std::string_view text) {
  std::string out;
  if (!append(out, text)) return std::nullopt;
  return out;
}

}  // namespace

std::optional<Jid> Jid::Parse(std::string_view text, std::string room) {
  // RFC 7622 3.2 step 1: the first slash ends the bare JID, then the first @ ends the localpart.
  const std::size_t slash = text.find('/');
  const std::string_view bare = text.substr(0, slash);
  const std::size_t at = bare.find('@');
  const bool has_local = at != std::string_view::npos;
  const bool has_resource = slash != std::string_view::npos;
  const std::string_view local = has_local ? bare.substr(0, at) : std::string_view{};
  const std::string_view domain = has_local ? bare.substr(at + 1) : bare;
  const std::string_view resource = has_resource ? text.substr(slash + 1) : std::string_view{};
  // A separator promises a part.
  if ((has_local && local.empty()) || (has_resource && resource.empty())) return std::nullopt;
  std::optional<Jid> jid(std::in_place);
  // What is no longer than what every string has anyway is no room.
  if (room.capacity() > jid->text_.capacity()) jid->text_.swap(room);
  if (!Fill({local, domain, resource}, jid->text_, jid->domain_at_, jid->resource_at_)) return std::nullopt;
  return jid;
}

std::optional<Jid> Jid::Make(std::string_view local, std::string_view domain, std::string_view resource) {
  std::optional<Jid> jid(std::in_place);
  if (!Fill({local, domain, resource}, jid->text_, jid->domain_at_, jid->resource_at_)) return std::nullopt;
  return jid;
}

std::string_view Jid::local() const {
  return domain_at_ == 0 ? std::string_view{} : std::string_view(text_).substr(0, domain_at_ - 1);
}

std::string_view Jid::domain() const { return bare().substr(domain_at_); }

std::string_view Jid::resource() const {
  return resource_at_ == 0 ? std::string_view{} : std::string_view(text_).substr(resource_at_);
}

std::string_view Jid::bare() const {
  return resource_at_ == 0 ? std::string_view(text_) : std::string_view(text_).substr(0, resource_at_ - 1);
}

Jid Jid::Bare() const {
  Jid jid;
  jid.text_ = bare();
  jid.domain_at_ = domain_at_;
  return jid;
}

std::optional<Jid> Jid::WithResource(std::string_view resource) const {
  if (empty()) return std::nullopt;
  Jid jid = Bare();
  jid.text_ += '/';
  jid.resource_at_ = static_cast<std::uint16_t>(jid.text_.size());
  if (!AppendResource(jid.text_, resource)) return std::nullopt;
  return jid;
}

std::string_view BareOf(std::string_view prepared) { return prepared.substr(0, prepared.find('/')); }

std::string_view DomainOf(std::string_view prepared) {
  const std::string_view bare = BareOf(prepared);
  const std::size_t at = bare.find('@');
  return at == std::string_view::npos ? bare : bare.substr(at + 1);
}

std::string_view ResourceOf(std::string_view prepared) {
  const std::size_t slash = prepared.find('/');
  return slash == std::string_view::npos ? std::string_view{} : prepared.substr(slash + 1);
}

std::string_view LocalOf(std::string_view prepared) {
  const std::string_view bare = BareOf(prepared);
  const std::size_t at = bare.find('@');
  return at == std::string_view::npos ? std::string_view{} : bare.substr(0, at);
}

std::optional<std::string> PrepareLocal(std::string_view text) { return Prepared(AppendLocal, text); }
std::optional<std::string> PrepareDomain(std::string_view text) { return Prepared(AppendDomainPart, text); }
std::optional<std::string> PrepareResource(std::string_view text) { return Prepared(AppendResource, text); }

}  // namespace parley::xmpp
