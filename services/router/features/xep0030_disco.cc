#include <set>

#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "services/router/features/administrators.h"
#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr char kInfo[] = "http://jabber.org/protocol/disco#info";
constexpr char kCommands[] = "http://jabber.org/protocol/commands";
constexpr char kItems[] = "http://jabber.org/protocol/disco#items";
using All = std::weak_ptr<const std::vector<Feature>>;

std::string Quoted(std::string_view text) { return "'" + xml::Escape(text, xml::Use::kAttribute) + "'"; }

std::string Query(std::string_view ns, const std::string& content) {
  return "<query xmlns='" + std::string(ns) + "'>" + content + "</query>";
}

std::string NodeOf(const Iq& iq) {
  const auto query = iq.Payload();
  return query ? std::string(query->attr("node").value_or("")) : std::string();
}

// Accounts have none (XEP-0030 section 7: item-not-found).
bool HasNode(const Iq& iq) { return !NodeOf(iq).empty(); }

// The nodes of a server are its commands (XEP-0050 section 3.1); who may not give them does not see them.
bool SeesCommands(const Domains& domains, const Iq& iq) {
  const config::Host* host = domains.Find(xmpp::DomainOf(iq.envelope.to()));
  return host != nullptr && Administers(iq, *host);
}

std::string NodeQuery(std::string_view ns, std::string_view node, const std::string& content) {
  return "<query xmlns='" + std::string(ns) + "' node=" + Quoted(node) + ">" + content + "</query>";
}

IqAnswer CommandItems(const std::vector<Feature>& all, const Domains& domains, const Iq& iq, const std::string& node) {
  if (!SeesCommands(domains, iq)) return xmpp::ItemNotFound();
  if (node != kCommands)
    return FindCommand(all, node) == nullptr ? IqAnswer(xmpp::ItemNotFound()) : NodeQuery(kItems, node, {});
  std::string items;
  for (const auto& feature : all) {
    for (const auto& command : feature.commands) {
      items += "<item jid=" + Quoted(iq.envelope.to()) + " node=" + Quoted(command.node) +
               " name=" + Quoted(command.name) + "/>";
    }
  }
  return NodeQuery(kItems, node, items);
}

IqAnswer CommandInfo(const std::vector<Feature>& all, const Domains& domains, const Iq& iq, const std::string& node) {
  if (!SeesCommands(domains, iq)) return xmpp::ItemNotFound();
  if (node == kCommands) {
    return NodeQuery(kInfo, node, "<identity category='automation' type='command-list' name='Commands'/>");
  }
  const Command* command = FindCommand(all, node);
  if (command == nullptr) return xmpp::ItemNotFound();
  return NodeQuery(kInfo, node,
                   "<identity category='automation' type='command-node' name=" + Quoted(command->name) +
                       "/><feature var='http://jabber.org/protocol/commands'/><feature var='jabber:x:data'/>");
}

std::string FeatureXml(const std::set<std::string>& names) {
  std::string xml;
  for (const auto& name : names) xml += "<feature var=" + Quoted(name) + "/>";
  return xml;
}

std::string ServerInfo(const std::vector<Feature>& all, const config::Host& host) {
  std::set<std::string> names;
  std::string forms;
  for (const auto& feature : all) {
    if (feature.offered && !feature.offered(host)) continue;
    names.insert(feature.server_disco.begin(), feature.server_disco.end());
    if (feature.server_form) forms += feature.server_form(host);
  }
  return "<identity category='server' type='im' name='Parley'/>" + FeatureXml(names) + forms;
}

std::string AccountInfo(const std::vector<Feature>& all, const Account& account) {
  std::set<std::string> names;
  for (const auto& feature : all) names.insert(feature.account_disco.begin(), feature.account_disco.end());
  const std::string type = account.anonymous() ? "anonymous" : "registered";
  return "<identity category='account' type='" + type + "'/>" + FeatureXml(names);
}

// The connected resources, for those who may see them.
std::string Resources(const Account& account) {
  std::string xml;
  for (const auto& session : account.sessions()) {
    if (session.available()) xml += "<item jid=" + Quoted(account.FullJid(session)) + "/>";
  }
  return xml;
}

}  // namespace

Feature Xep0030Disco(const FeatureDeps& deps) {
  const All all = deps.all;
  const Domains& domains = deps.domains;
  const auto server_info = [all, &domains](const Iq& iq) -> IqAnswer {
    if (const auto node = NodeOf(iq); !node.empty()) return CommandInfo(*all.lock(), domains, iq, node);
    const config::Host* host = domains.Find(xmpp::DomainOf(iq.envelope.to()));
    if (host == nullptr) return xmpp::ItemNotFound();
    return Query(kInfo, ServerInfo(*all.lock(), *host));
  };
  const auto server_items = [all, &domains](const Iq& iq) -> IqAnswer {
    if (const auto node = NodeOf(iq); !node.empty()) return CommandItems(*all.lock(), domains, iq, node);
    return Query(kItems, {});
  };
  const auto account_info = [all](const Iq& iq) -> IqAnswer {
    if (HasNode(iq)) return xmpp::ItemNotFound();
    return Query(kInfo, AccountInfo(*all.lock(), iq.account));
  };
  const auto account_items = [](const Iq& iq) -> IqAnswer {
    if (HasNode(iq)) return xmpp::ItemNotFound();
    return Query(kItems, Resources(iq.account));
  };
  Feature feature;
  feature.xep = "0030";
  feature.server_disco = {kInfo, kItems};
  feature.account_disco = {kInfo, kItems};
  feature.iq = {
      {.target = Target::kServer, .ns = kInfo, .name = "query", .now = server_info},
      {.target = Target::kServer, .ns = kItems, .name = "query", .now = server_items},
      {.target = Target::kAccount, .ns = kInfo, .name = "query", .access = Access::kSubscriber, .now = account_info},
      {.target = Target::kAccount, .ns = kItems, .name = "query", .access = Access::kSubscriber, .now = account_items},
  };
  return feature;
}

}  // namespace parley::router
