#include "libs/base/ids.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "services/router/features/administrators.h"
#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr char kCommands[] = "http://jabber.org/protocol/commands";
constexpr char kData[] = "jabber:x:data";

std::string Answer(const Command& command, const std::string& session, const std::string& status,
                   const std::string& content) {
  return "<command xmlns='http://jabber.org/protocol/commands' node='" +
         xml::Escape(command.node, xml::Use::kAttribute) + "' sessionid='" +
         xml::Escape(session, xml::Use::kAttribute) + "' status='" + status + "'>" + content + "</command>";
}

// XEP-0050 4.4: a bad request that says why.
xmpp::StanzaError Bad(const std::string& why) { return xmpp::BadRequest(why); }

FormValues ValuesOf(const xml::Element& form) {
  FormValues values;
  for (const auto* field : form.children()) {
    if (!field->Is("field", kData)) continue;
    auto& of_field = values[std::string(field->attr("var").value_or(""))];
    for (const auto* value : field->children()) {
      if (value->Is("value", kData)) of_field.push_back(value->text());
    }
  }
  return values;
}

Task<IqAnswer> Run(const Command& command, const Iq& iq, FormValues values, std::string session) {
  const auto done = co_await command.run(iq, std::move(values));
  if (!done) co_return done.error();
  std::string content = done->form;
  if (!done->note.empty()) content += "<note type='info'>" + xml::Escape(done->note) + "</note>";
  co_return Answer(command, session, "completed", content);
}

Task<IqAnswer> Execute(FeatureDeps deps, const Iq& iq) {
  const config::Host* host = deps.domains.Find(xmpp::DomainOf(iq.envelope.to()));
  if (host == nullptr || !Administers(iq, *host)) co_return xmpp::Forbidden();
  const auto request = iq.Payload();
  if (!request) co_return xmpp::BadRequest();
  const auto all = deps.all.lock();
  const Command* command = FindCommand(*all, request->attr("node").value_or(""));
  if (command == nullptr) co_return xmpp::ItemNotFound();
  const auto action = request->attr("action").value_or("execute");
  std::string session(request->attr("sessionid").value_or(""));
  if (session.empty()) session = RandomId();
  if (action == "cancel") co_return Answer(*command, session, "canceled", {});
  if (action != "execute" && action != "complete" && action != "next") co_return Bad("bad-action");
  const xml::Element* form = request->Find("x", kData);
  if (form == nullptr && !command->form.empty()) {
    const std::string stage = "<actions execute='complete'><complete/></actions>" + command->form;
    co_return Answer(*command, session, "executing", stage);
  }
  FormValues values;
  if (form != nullptr) values = ValuesOf(*form);
  co_return co_await Run(*command, iq, std::move(values), std::move(session));
}

}  // namespace

Feature Xep0050Commands(const FeatureDeps& deps) {
  Feature feature;
  feature.xep = "0050";
  feature.server_disco = {kCommands};
  feature.offered = [](const config::Host& host) { return !host.admins.empty(); };
  feature.iq = {{.target = Target::kServer,
                 .type = link::v1::TYPE_SET,
                 .ns = kCommands,
                 .name = "command",
                 .later = [deps](const Iq& iq) { return Execute(deps, iq); }}};
  return feature;
}

}  // namespace parley::router
