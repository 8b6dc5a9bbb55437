// Whatever a JID is made of: what is accepted is prepared once and for all, and its parts make the same JID again.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "libs/xmpp/jid.h"

namespace {

using parley::xmpp::Jid;

void Require(bool holds) {
  if (!holds) std::abort();
}

bool FitsPart(std::string_view part) { return part.size() <= 1023; }

void CheckAddress(std::string_view text) {
  const auto jid = Jid::Parse(text);
  if (!jid) return;
  Require(Jid::Parse(jid->str()) == jid);
  Require(Jid::Make(jid->local(), jid->domain(), jid->resource()) == jid);
  Require(!jid->domain().empty() && FitsPart(jid->domain()) && FitsPart(jid->local()) && FitsPart(jid->resource()));
  Require(jid->Bare().str() == jid->bare() && jid->is_full() == !jid->resource().empty());
  Require(parley::xmpp::BareOf(jid->str()) == jid->bare());
  Require(parley::xmpp::LocalOf(jid->str()) == jid->local());
  Require(parley::xmpp::DomainOf(jid->str()) == jid->domain());
  Require(parley::xmpp::ResourceOf(jid->str()) == jid->resource());
}

void CheckStable(std::optional<std::string> (*prepare)(std::string_view), std::string_view text) {
  const auto once = prepare(text);
  if (once) Require(!once->empty() && prepare(*once) == once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckAddress(text);
  CheckStable(parley::xmpp::PrepareLocal, text);
  CheckStable(parley::xmpp::PrepareDomain, text);
  CheckStable(parley::xmpp::PrepareResource, text);
  const auto password = parley::xmpp::PreparePassword(text);
  if (password) Require(!password->empty());
  return 0;
}
