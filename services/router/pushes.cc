#include "services/router/pushes.h"

#include <charconv>

#include "libs/base/ids.h"
#include "libs/xml/scanner.h"

namespace parley::router {
namespace {

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

Envelope Push(const Account& account, const Session& session, const std::string& item_xml, const std::string& version) {
  const std::string payload = "<query xmlns='jabber:iq:roster' ver=" + Quoted(version) + ">" + item_xml + "</query>";
  Envelope push = xmpp::MakeIqSet(account.bare(), account.FullJid(session), "push-" + RandomId(), payload);
  push.set_origin_seq(NumberOf(version));
  return push;
}

}  // namespace

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
    if (session.record.interested()) sender_.Deliver(session, Push(account, session, item_xml, version), receipt);
  }
}

Envelope Pushes::Make(const Account& account, const Session& session, const roster::v1::ItemChange& change) {
  const std::string item_xml = change.removed() ? RemovalXml(change.item().jid()) : ItemXml(change.item());
  return Push(account, session, item_xml, change.version());
}

}  // namespace parley::router
