#include "services/router/fanout.h"

#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

using link::v1::TYPE_AVAILABLE;
using link::v1::TYPE_PROBE;
using link::v1::TYPE_UNAVAILABLE;

}  // namespace

// One presence for many, who see nothing of each other: each gets it with its own `to`. A view of `from`, `stanza` and
// `origin`.
class Fanout::Broadcast {
 public:
  Broadcast(link::v1::Type type, std::string_view from, std::string_view stanza, const Origin& origin)
      : type_(type), from_(from), stanza_(stanza, "to"), origin_(origin) {}

  std::unique_ptr<Envelope> For(std::string_view to) const {
    auto envelope = rpc::NewEnvelope();
    envelope->set_kind(link::v1::KIND_PRESENCE);
    envelope->set_type(type_);
    envelope->mutable_from()->assign(from_);
    envelope->mutable_to()->assign(to);
    stanza_.Fill(to, *envelope->mutable_stanza());
    origin_.Mark(*envelope);
    return envelope;
  }

 private:
  const link::v1::Type type_;
  const std::string_view from_;
  const xmpp::AttributePlace stanza_;
  const Origin& origin_;
};

Fanout::Fanout(Sender& sender) : sender_(sender) {}

void Fanout::Send(const Broadcast& broadcast, std::string_view to, bool probe, const Receipt& receipt) {
  if (!sender_.Reachable(to)) return;  // nobody waits for an error to what the server sends by itself
  Held held{broadcast.For(to), receipt};
  held.envelope->set_probe(probe);
  sender_.Forward(std::move(held));
}

void Fanout::ToContacts(const Account& account, const Session& session, const Contacts& contacts, bool initial,
                        const Origin& origin, const Receipt& receipt) {
  const std::string from = account.FullJid(session);
  const Broadcast presence(TYPE_AVAILABLE, from, session.record.presence(), origin);
  const Envelope question = xmpp::MakePresence(TYPE_PROBE, from, {});
  const Broadcast probes(TYPE_PROBE, from, question.stanza(), origin);
  for (const auto& contact : contacts.all()) {
    if (contact.jid == account.bare()) continue;  // a user needs no subscription to itself
    const bool probe = initial && contact.we_subscribed();
    // Its router need not read the contact's roster to say that it is away, unless that says something else than ours.
    const bool believed = probe && !contact.refused;
    if (contact.subscribed_to_us()) {
      Send(presence, contact.jid, believed, receipt);
      if (believed) continue;
    }
    if (probe) Send(probes, contact.jid, believed, receipt);
  }
}

void Fanout::ToOwn(Account& account, std::string_view stanza, link::v1::Type type, const Origin& origin,
                   const Receipt& receipt) {
  const Broadcast presence(type, std::string_view(), stanza, origin);
  for (auto& other : account.sessions()) {
    if (other.available()) sender_.Deliver(other, Held{presence.For(account.FullJid(other)), receipt});
  }
}

void Fanout::OwnTo(Account& account, const Session& session, const Origin& cause, const Receipt& receipt) {
  const std::string to = account.FullJid(session);
  for (const auto& other : account.sessions()) {
    if (!other.available() || other.id() == session.id()) continue;
    const std::string from = account.FullJid(other);
    const Origin origin = cause.For(other.id());
    const Broadcast presence(TYPE_AVAILABLE, from, other.record.presence(), origin);
    sender_.Deliver(session, Held{presence.For(to), receipt});
  }
}

void Fanout::Gone(const Account& account, const Record& gone, const Contacts& contacts, std::string_view stanza,
                  const Origin& origin, const Receipt& receipt) {
  const std::string from = account.bare() + "/" + gone.resource();
  const Broadcast presence(TYPE_UNAVAILABLE, from, stanza, origin);
  const bool was_available = !gone.presence().empty();
  if (was_available) {
    for (const auto& contact : contacts.all()) {
      if (!contact.subscribed_to_us() || contact.jid == account.bare()) continue;
      Send(presence, contact.jid, false, receipt);
    }
  }
  for (const auto& to : gone.directed()) {
    // RFC 6121 4.6.3: once, whichever way they knew of it.
    if (was_available && contacts.SubscribedToUs(xmpp::BareOf(to))) continue;
    Send(presence, to, false, receipt);
  }
}

void Fanout::AllTo(Account& account, std::string_view to, const Origin& cause, const Receipt& receipt) {
  for (const auto& session : account.sessions()) {
    if (!session.available()) continue;
    const std::string from = account.FullJid(session);
    const Origin origin = cause.For(session.id());
    Send(Broadcast(TYPE_AVAILABLE, from, session.record.presence(), origin), to, false, receipt);
  }
}

void Fanout::AllGoneTo(Account& account, std::string_view to, const Origin& cause, const Receipt& receipt) {
  for (const auto& session : account.sessions()) {
    if (!session.available()) continue;
    const std::string from = account.FullJid(session);
    const Envelope gone = xmpp::MakePresence(TYPE_UNAVAILABLE, from, to);
    const Origin origin = cause.For(session.id());
    Send(Broadcast(TYPE_UNAVAILABLE, from, gone.stanza(), origin), to, false, receipt);
  }
}

}  // namespace parley::router
