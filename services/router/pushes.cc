#include "services/router/pushes.h"

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

Envelope Push(const Account& account, const Session& session, const std::string& item_xml, const std::string& version) {
  const std::string payload = "<query xmlns='jabber:iq:roster' ver=" + Quoted(version) + ">" + item_xml + "</query>";
  return xmpp::MakeIqSet(account.bare(), account.FullJid(session), "push-" + RandomId(), payload);
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
