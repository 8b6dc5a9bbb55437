#include "services/router/iq_dispatcher.h"

#include <stdexcept>

#include "libs/rpc/trace.h"
#include "libs/xmpp/jid.h"
#include "libs/xmpp/request.h"

namespace parley::router {
namespace {

prometheus::Counter& Requests(Sender& sender, const std::string& feature) {
  return sender.metrics().registry.Counter("parley_router_iq_total", "Requests to the server and to accounts",
                                           {{"feature", feature}});
}

}  // namespace

bool Iq::own() const { return xmpp::BareOf(envelope.from()) == account.bare(); }

std::optional<xml::Element> Iq::Payload() const {
  const auto element = xml::Element::Parse(envelope.stanza());
  const xml::Element* child = element ? element->FirstChild() : nullptr;
  if (child == nullptr) return std::nullopt;
  return *child;
}

IqDispatcher::IqDispatcher(Sender& sender, RosterClient& rosters, std::shared_ptr<const std::vector<Feature>> features)
    : sender_(sender), rosters_(rosters), features_(std::move(features)), unknown_(Requests(sender, "none")) {
  for (const auto& feature : *features_) {
    for (const auto& route : feature.iq) {
      const Route entry{&route, &Requests(sender, feature.xep)};
      if (!routes_.emplace(Key(route.target, route.type, route.ns, route.name), entry).second) {
        throw std::logic_error("two features answer " + route.ns + " " + route.name);
      }
    }
  }
}

std::string IqDispatcher::Key(Target target, link::v1::Type type, std::string_view ns, std::string_view name) {
  std::string key;
  key.reserve(ns.size() + name.size() + 3);
  key += target == Target::kServer ? 's' : 'a';
  key += type == link::v1::TYPE_GET ? 'g' : 's';
  return key.append(ns).append(" ").append(name);
}

const IqDispatcher::Route* IqDispatcher::Find(Target target, const Envelope& envelope) const {
  const auto found = routes_.find(Key(target, envelope.type(), envelope.payload_ns(), envelope.payload_name()));
  return found == routes_.end() ? nullptr : &found->second;
}

IqDispatcher::Permission IqDispatcher::Judge(const Account& account, Target target, const IqRoute& route,
                                             const Envelope& envelope) const {
  const std::string_view asker = xmpp::BareOf(envelope.from());
  if (target == Target::kServer || asker == account.bare()) return Permission::kGranted;
  switch (route.access) {
    case Access::kSubscriber:
      return Permission::kUnknown;
    case Access::kOwner:
    case Access::kAnyone:
      break;
  }
  return account.sessions().empty() ? Permission::kUnknown : OfExisting(route);
}

// For others, of an account that is there.
IqDispatcher::Permission IqDispatcher::OfExisting(const IqRoute& route) {
  return route.access == Access::kOwner ? Permission::kForbidden : Permission::kGranted;
}

bool IqDispatcher::AnswerNow(Account& account, Target target, Held& held) {
  if (!xmpp::IsRequest(held.envelope->type())) {  // an answer to the server: it waits for none
    held = Held();
    return true;
  }
  const Route* route = Find(target, *held.envelope);
  if (route == nullptr) {
    unknown_.Increment();
    sender_.Bounce(account, std::move(held), xmpp::ServiceUnavailable());
    return true;
  }
  const Permission permission = Judge(account, target, *route->route, *held.envelope);
  if (permission == Permission::kUnknown) return false;
  if (Refuse(account, held, permission)) return true;
  if (!route->route->now) return false;
  route->count->Increment();
  std::vector<Envelope> behind;
  const Iq iq{account, *held.envelope, held.receipt, behind};
  Send(account, held, route->route->now(iq));
  SendBehind(account, held, std::move(behind));
  return true;
}

Task<void> IqDispatcher::Answer(Account& account, Target target, Held held) {
  const Route* route = Find(target, *held.envelope);
  Permission permission = Judge(account, target, *route->route, *held.envelope);
  if (permission == Permission::kUnknown) {
    permission = co_await Inquire(account, *route->route, *held.envelope);
  }
  if (Refuse(account, held, permission)) co_return;
  route->count->Increment();
  std::vector<Envelope> behind;
  const Iq iq{account, *held.envelope, held.receipt, behind};
  if (route->route->now) {
    Send(account, held, route->route->now(iq));
  } else {
    IqAnswer answer = co_await route->route->later(iq);
    Send(account, held, std::move(answer));
  }
  SendBehind(account, held, std::move(behind));
}

void IqDispatcher::SendBehind(Account& account, const Held& held, std::vector<Envelope> envelopes) {
  const Session* session = account.Asking(held.envelope->origin());
  if (session == nullptr) return;
  for (auto& envelope : envelopes) sender_.Deliver(*session, std::move(envelope), held.receipt);
}

Task<IqDispatcher::Permission> IqDispatcher::Inquire(Account& account, const IqRoute& route, const Envelope& envelope) {
  const std::string bare = account.bare();
  if (route.access == Access::kSubscriber) {
    const auto contacts = co_await rosters_.Get(bare);
    const bool may = contacts && (*contacts)->SubscribedToUs(xmpp::BareOf(envelope.from()));
    co_return may ? Permission::kGranted : Permission::kUnavailable;
  }
  roster::v1::Ask ask;
  ask.mutable_account_info()->set_owner(bare);
  const auto answer = co_await rosters_.Ask(bare, std::move(ask));
  co_return answer.account().exists() ? OfExisting(route) : Permission::kUnavailable;  // RFC 6121 8.5.1
}

bool IqDispatcher::Refuse(Account& account, Held& held, Permission permission) {
  if (permission == Permission::kGranted) return false;
  const auto error = permission == Permission::kForbidden ? xmpp::Forbidden() : xmpp::ServiceUnavailable();
  sender_.Bounce(account, std::move(held), error);
  return true;
}

void IqDispatcher::Send(Account& account, const Held& held, IqAnswer answer) {
  if (answer) {
    sender_.Reply(account, *held.envelope, xmpp::MakeResult(*held.envelope, *answer), held.receipt);
    rpc::NoteOutcome(held.receipt, "answered");
    return;
  }
  Held refused;
  refused.envelope = std::make_unique<Envelope>(*held.envelope);
  refused.receipt = held.receipt;
  sender_.Bounce(account, std::move(refused), answer.error());
}

}  // namespace parley::router
