#include "services/ctl/pie/user.h"

#include <map>

#include "libs/xml/scanner.h"
#include "libs/xmpp/base64.h"
#include "libs/xmpp/jid.h"
#include "services/ctl/pie/keys.h"
#include "services/ctl/pie/stamp.h"

namespace parley::ctl {
namespace {

namespace pb = transfer::v1;

constexpr char kClient[] = "jabber:client";
constexpr char kRoster[] = "jabber:iq:roster";
constexpr char kDelay[] = "urn:xmpp:delay";

// A stanza whose namespace was left to where it stood gets its own back.
xml::Element AsStanza(const xml::Element& given, const std::string& ns) {
  xml::Element element(given.name(), given.ns() == ns ? kClient : given.ns());
  for (const auto& attribute : given.attrs()) element.AddAttr(attribute);
  if (!given.lang().empty()) element.SetLang(given.lang());
  for (const auto& node : given.nodes()) {
    if (const auto* child = std::get_if<xml::Element>(&node)) {
      element.AddChild(AsStanza(*child, ns));
    } else {
      element.AddText(std::get<std::string>(node));
    }
  }
  return element;
}

// The old server's note of when it came is ours from now on: it is written anew on delivery.
pb::Message MessageOf(const xml::Element& stanza, const pb::User& user) {
  pb::Message message;
  xml::Element kept(stanza.name(), stanza.ns());
  for (const auto& attribute : stanza.attrs()) kept.AddAttr(attribute);
  if (!stanza.lang().empty()) kept.SetLang(stanza.lang());
  if (!stanza.attr("to")) kept.SetAttr("to", user.jid());
  for (const auto& node : stanza.nodes()) {
    const auto* child = std::get_if<xml::Element>(&node);
    if (child == nullptr) {
      kept.AddText(std::get<std::string>(node));
      continue;
    }
    const bool ours = child->Is("delay", kDelay) && message.received_at() == 0 &&
                      child->attr("from").value_or(xmpp::DomainOf(user.jid())) == xmpp::DomainOf(user.jid());
    if (ours) message.set_received_at(ParseStamp(child->attr("stamp").value_or("")));
    if (!ours) kept.AddChild(*child);
  }
  message.set_stanza(kept.ToString(kClient));
  return message;
}

roster::v1::Subscription SubscriptionOf(std::string_view text) {
  if (text == "to") return roster::v1::SUBSCRIPTION_TO;
  if (text == "from") return roster::v1::SUBSCRIPTION_FROM;
  return text == "both" ? roster::v1::SUBSCRIPTION_BOTH : roster::v1::SUBSCRIPTION_NONE;
}

const char* SubscriptionName(roster::v1::Subscription subscription) {
  constexpr const char* kNames[] = {"none", "to", "from", "both"};
  return kNames[static_cast<int>(subscription) & 3];
}

bool True(const std::optional<std::string_view>& value) { return value == "true" || value == "1"; }

void TakeRoster(const xml::Element& query, pb::User& out) {
  for (const auto* child : query.children()) {
    if (child->name() != "item" || child->attr("subscription") == "remove") continue;
    auto& item = *out.add_contacts()->mutable_item();
    item.set_jid(std::string(child->attr("jid").value_or("")));
    item.set_name(std::string(child->attr("name").value_or("")));
    item.set_subscription(SubscriptionOf(child->attr("subscription").value_or("none")));
    item.set_ask(child->attr("ask") == "subscribe");
    item.set_approved(True(child->attr("approved")));
    item.set_in_roster(true);
    for (const auto* group : child->children()) {
      if (group->name() == "group" && !group->text().empty()) item.add_groups(group->text());
    }
  }
}

void TakeRequest(xml::Element presence, pb::User& out) {
  const auto from = xmpp::Jid::Parse(presence.attr("from").value_or(""));
  if (!from || presence.attr("type") != "subscribe") return;
  const std::string bare(from->bare());
  presence.SetAttr("from", bare);
  presence.SetAttr("to", out.jid());
  pb::Contact* contact = nullptr;
  for (auto& known : *out.mutable_contacts()) {
    if (known.item().jid() == bare) contact = &known;
  }
  if (contact == nullptr) {
    contact = out.add_contacts();
    contact->mutable_item()->set_jid(bare);
  }
  contact->mutable_item()->set_pending_in(true);
  contact->set_request(presence.ToString(kClient));
}

std::string Attribute(const char* name, std::string_view value) {
  if (value.empty()) return {};
  return std::string(" ") + name + "='" + xml::Escape(value, xml::Use::kAttribute) + "'";
}

std::string KeysXml(const accounts::v1::ScramKeys& keys) {
  return "<scram-credentials xmlns='" + std::string(kPieScramNs) + "' mechanism='SCRAM-" + keys.hash() +
         "'><iter-count>" + std::to_string(keys.iterations()) + "</iter-count><salt>" +
         xmpp::Base64Encode(keys.salt()) + "</salt><server-key>" + xmpp::Base64Encode(keys.server_key()) +
         "</server-key><stored-key>" + xmpp::Base64Encode(keys.stored_key()) + "</stored-key></scram-credentials>\n";
}

std::string ItemXml(const roster::v1::Item& item) {
  std::string xml = "<item" + Attribute("jid", item.jid()) + Attribute("name", item.name()) +
                    Attribute("subscription", SubscriptionName(item.subscription())) +
                    Attribute("ask", item.ask() ? "subscribe" : "") +
                    Attribute("approved", item.approved() ? "true" : "") + ">";
  for (const auto& group : item.groups()) xml += "<group>" + xml::Escape(group) + "</group>";
  return xml + "</item>\n";
}

std::string StanzaXml(const std::string& stanza, const pb::User& user, std::int64_t received_at) {
  auto element = xml::Element::Parse(stanza);
  if (!element) return {};
  if (received_at != 0) {
    xml::Element delay("delay", kDelay);
    delay.SetAttr("from", std::string(xmpp::DomainOf(user.jid())));
    delay.SetAttr("stamp", FormatStamp(received_at));
    element->AddChild(std::move(delay));
  }
  return element->ToString(kPieNs) + "\n";
}

}  // namespace

pb::User UserFromPie(const std::string& host, const xml::Element& user, std::size_t& ignored) {
  pb::User out;
  const auto jid = xmpp::Jid::Make(user.attr("name").value_or(""), host);
  out.set_jid(jid ? jid->str() : std::string(user.attr("name").value_or("")) + "@" + host);
  TakeCredentials(user, out);
  for (const auto* child : user.children()) {
    if (child->Is("query", kRoster)) TakeRoster(*child, out);
  }
  for (const auto* child : user.children()) {
    if (child->Is("query", kRoster) || child->Is("scram-credentials", kPieScramNs)) continue;
    if (child->name() == "presence") {
      TakeRequest(AsStanza(*child, user.ns()), out);
    } else if (child->name() == "offline-messages") {
      for (const auto* message : child->children()) {
        *out.add_messages() = MessageOf(AsStanza(*message, user.ns()), out);
      }
    } else {
      ++ignored;
    }
  }
  return out;
}

std::string UserToPie(const pb::User& user) {
  std::string xml = "<user" + Attribute("name", xmpp::LocalOf(user.jid())) + ">\n";
  for (const auto& keys : user.keys()) xml += KeysXml(keys);
  std::string items, requests, messages;
  for (const auto& contact : user.contacts()) {
    if (contact.item().in_roster()) items += ItemXml(contact.item());
    if (contact.item().pending_in()) requests += StanzaXml(contact.request(), user, 0);
  }
  for (const auto& message : user.messages()) messages += StanzaXml(message.stanza(), user, message.received_at());
  if (!items.empty()) xml += "<query xmlns='jabber:iq:roster'>\n" + items + "</query>\n";
  if (!messages.empty()) xml += "<offline-messages>\n" + messages + "</offline-messages>\n";
  return xml + requests + "</user>\n";
}

}  // namespace parley::ctl
