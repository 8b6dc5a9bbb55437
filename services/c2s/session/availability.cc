#include "services/c2s/session/availability.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/xml/element.h"
#include "libs/xmpp/jid.h"

namespace parley::c2s {
namespace {

// RFC 6121 4.7.2.3
std::int32_t PriorityOf(const std::string& presence) {
  const auto element = xml::Element::Parse(presence);
  const auto* priority = element ? element->Find("priority", "jabber:client") : nullptr;
  if (!priority) return 0;
  const std::string text = priority->text();
  std::int32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value >= -128 && value <= 127 ? value : 0;
}

}  // namespace

void Availability::Note(const xmpp::Envelope& presence, std::uint32_t max_directed) {
  const bool available = presence.type() == link::v1::TYPE_AVAILABLE;
  if (!available && presence.type() != link::v1::TYPE_UNAVAILABLE) return;
  if (!presence.to().empty()) return available ? Direct(presence.to(), max_directed) : Forget(presence.to());
  latest_ = presence.origin_seq();
  pending_.push_back({latest_, available ? presence.stanza() : std::string()});
  if (!available) directed_.clear();  // RFC 6121 4.6.3: the router tells them
}

void Availability::OnSettled(std::uint64_t seq) {
  const auto place =
      std::find_if(pending_.begin(), pending_.end(), [seq](const auto& said) { return said.seq == seq; });
  if (place == pending_.end()) return;
  if (seq > taken_) {
    taken_ = seq;
    presence_ = std::move(place->stanza);
  }
  pending_.erase(place);
  if (pending_.empty()) std::vector<Broadcast>().swap(pending_);
}

void Availability::OnRefused(std::uint64_t seq, const xmpp::Envelope& error) {
  if (error.kind() != link::v1::KIND_PRESENCE || error.type() != link::v1::TYPE_ERROR) return;
  std::erase_if(pending_, [seq](const Broadcast& said) { return said.seq == seq; });
  Forget(error.from());
}

// Nobody of the own account is told, they see the broadcast; nor has a server any use for it.
void Availability::Direct(const std::string& to, std::uint32_t max_directed) {
  constexpr std::size_t kUsualAddress = 64;
  if (xmpp::LocalOf(to).empty() || std::find(directed_.begin(), directed_.end(), to) != directed_.end()) return;
  std::size_t bytes = to.size();
  for (const auto& known : directed_) bytes += known.size();
  const bool full = directed_.size() >= max_directed || (!directed_.empty() && bytes > max_directed * kUsualAddress);
  if (!full) directed_.push_back(to);
}

void Availability::Forget(const std::string& to) {
  std::erase(directed_, to);
  if (directed_.empty()) std::vector<std::string>().swap(directed_);
}

void Availability::Adopt(const session::v1::Record& record) {
  presence_ = record.presence();
  directed_.assign(record.directed().begin(), record.directed().end());
}

void Availability::Fill(session::v1::Record& record) const {
  const std::string& presence = pending_.empty() ? presence_ : pending_.back().stanza;
  record.set_presence(presence);
  record.set_priority(presence.empty() ? 0 : PriorityOf(presence));
  for (const auto& to : directed_) record.add_directed(to);
}

}  // namespace parley::c2s
