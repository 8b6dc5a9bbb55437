#include "services/router/pushes.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <ranges>

#include "libs/base/ids.h"
#include "libs/xml/element.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

using roster::v1::ItemChange;

constexpr char kRoster[] = "jabber:iq:roster";

std::string_view SubscriptionName(roster::v1::Subscription subscription) {
  switch (subscription) {
    case roster::v1::SUBSCRIPTION_TO:
      return "to";
    case roster::v1::SUBSCRIPTION_FROM:
      return "from";
    case roster::v1::SUBSCRIPTION_BOTH:
      return "both";
    default:
      return "none";
  }
}

std::string Quoted(std::string_view text) { return "'" + xml::Escape(text, xml::Use::kAttribute) + "'"; }

std::string RemovalXml(const std::string& jid) { return "<item jid=" + Quoted(jid) + " subscription='remove'/>"; }

// Versions are numbers that rise; what is none is nobody's repeat.
std::uint64_t NumberOf(std::string_view version) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(version.data(), version.data() + version.size(), number);
  return read.ec == std::errc() && read.ptr == version.data() + version.size() ? number : 0;
}

Envelope Push(const std::string& to, const std::string& item_xml, const std::string& version) {
  const std::string payload =
      "<query xmlns=" + Quoted(kRoster) + " ver=" + Quoted(version) + ">" + item_xml + "</query>";
  Envelope push = xmpp::MakeIqSet(xmpp::BareOf(to), to, "push-" + RandomId(), payload);
  push.set_origin_seq(NumberOf(version));
  return push;
}

std::string ChangeXml(const ItemChange& change) {
  return change.removed() ? RemovalXml(change.item().jid()) : ItemXml(change.item());
}

// Of the item that it shows.
std::string JidIn(const Envelope& push) {
  const auto stanza = xml::Element::Parse(push.stanza());
  const auto* query = stanza ? stanza->Find("query", kRoster) : nullptr;
  const auto* item = query == nullptr ? nullptr : query->Find("item", kRoster);
  return item == nullptr ? std::string() : std::string(item->attr("jid").value_or(""));
}

// The item as it is now, if it has changed since the version that `roster` was asked for; with its version, if that was
// told. nullopt: it has not.
std::optional<ItemChange> ChangeOf(const std::string& jid, const roster::v1::Roster& roster) {
  if (roster.incremental()) {
    const auto latest_first = std::views::reverse(roster.changes());
    const auto latest = std::ranges::find(latest_first, jid, [](const ItemChange& each) { return each.item().jid(); });
    return latest == latest_first.end() ? std::nullopt : std::optional(*latest);
  }
  if (roster.unchanged()) return std::nullopt;
  ItemChange change;
  change.mutable_item()->set_jid(jid);
  change.set_removed(true);
  for (const auto& item : roster.items()) {
    if (item.jid() != jid || !item.in_roster()) continue;
    *change.mutable_item() = item;
    change.set_removed(false);
  }
  return change;
}

}  // namespace

bool IsPush(const link::v1::Envelope& envelope) {
  const bool request = envelope.kind() == link::v1::KIND_IQ && envelope.type() == link::v1::TYPE_SET;
  return request && envelope.origin_seq() != 0 && envelope.from() == xmpp::BareOf(envelope.to());
}

std::string ItemXml(const roster::v1::Item& item) {
  std::string xml = "<item jid=" + Quoted(item.jid());
  if (!item.name().empty()) xml += " name=" + Quoted(item.name());
  xml.append(" subscription='").append(SubscriptionName(item.subscription())).append("'");
  if (item.ask()) xml += " ask='subscribe'";
  if (item.approved()) xml += " approved='true'";
  if (item.groups().empty()) return xml + "/>";
  xml += ">";
  for (const auto& group : item.groups()) xml += "<group>" + xml::Escape(group) + "</group>";
  return xml + "</item>";
}

void Pushes::Send(Account& account, const roster::v1::Item& item, const std::string& version, const Receipt& receipt) {
  ToInterested(account, ItemXml(item), version, receipt);
}

void Pushes::SendRemoval(Account& account, const std::string& jid, const std::string& version, const Receipt& receipt) {
  ToInterested(account, RemovalXml(jid), version, receipt);
}

void Pushes::ToInterested(Account& account, const std::string& item_xml, const std::string& version,
                          const Receipt& receipt) {
  for (const auto& session : account.sessions()) {
    if (!session.record.interested()) continue;
    ToSession(account, session, Push(account.FullJid(session), item_xml, version), receipt);
  }
}

// Behind those that come late: a client that has this version, and is gone before it has those, would never get them.
void Pushes::ToSession(const Account& account, const Session& session, Envelope push, const Receipt& receipt) {
  if (!accounts_.HasReturned(account)) return sender_.Deliver(session, std::move(push), receipt);
  Held held;
  held.envelope = std::make_unique<Envelope>(std::move(push));
  held.envelope->set_leg(link::v1::LEG_DELIVER);
  held.envelope->set_session(session.id());
  held.receipt = receipt;
  accounts_.PostReturned(account.bare(), std::move(held));
}

Envelope Pushes::Make(const Account& account, const Session& session, const ItemChange& change) {
  return Push(account.FullJid(session), ChangeXml(change), change.version());
}

Task<void> Pushes::Renew(Envelope& push) {
  const std::string owner(xmpp::BareOf(push.to()));
  const std::string version = std::to_string(push.origin_seq());
  roster::v1::Ask ask;
  ask.mutable_get_roster()->set_owner(owner);
  ask.mutable_get_roster()->set_known_version(std::to_string(push.origin_seq() - 1));
  ask.mutable_get_roster()->set_accepts_changes(true);
  Concern(push, ask);
  const auto answer = co_await rosters_.Ask(owner, std::move(ask));
  if (answer.problem() != roster::v1::PROBLEM_UNSPECIFIED) co_return;
  const auto change = ChangeOf(JidIn(push), answer.roster());
  if (!change || change->version() == version) co_return;
  const Envelope now = Push(std::string(push.to()), ChangeXml(*change), version);
  push.set_id(now.id());
  push.set_stanza(now.stanza());
}

}  // namespace parley::router
