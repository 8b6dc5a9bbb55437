#include "services/router/fanout.h"

#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

using link::v1::TYPE_AVAILABLE;
using link::v1::TYPE_PROBE;
using link::v1::TYPE_UNAVAILABLE;

Envelope Presence(link::v1::Type type, std::string_view from, std::string_view to, std::string_view stanza) {
  Envelope envelope;
  envelope.set_kind(link::v1::KIND_PRESENCE);
  envelope.set_type(type);
  envelope.mutable_from()->assign(from);
  envelope.mutable_to()->assign(to);
  envelope.set_stanza(xmpp::WithAttribute(stanza, "to", to));
  return envelope;
}

}  // namespace

Fanout::Fanout(Sender& sender) : sender_(sender) {}

void Fanout::Send(link::v1::Type type, const std::string& from, std::string_view to, std::string_view stanza,
                  bool probe, const Origin& origin, const Receipt& receipt) {
  if (!sender_.Reachable(to)) return;  // nobody waits for an error to what the server sends by itself
  Envelope envelope = Presence(type, from, to, stanza);
  envelope.set_probe(probe);
  origin.Mark(envelope);
  sender_.Forward(std::move(envelope), receipt);
}

void Fanout::ToContacts(const Account& account, const Session& session, const Contacts& contacts, bool initial,
                        const Origin& origin, const Receipt& receipt) {
  const std::string from = account.FullJid(session);
  for (const auto& contact : contacts.all()) {
    if (contact.jid == account.bare()) continue;  // a user needs no subscription to itself
    const bool probe = initial && contact.we_subscribed();
    if (contact.subscribed_to_us()) {
      Send(TYPE_AVAILABLE, from, contact.jid, session.record.presence(), probe, origin, receipt);
    } else if (probe) {
      const Envelope question = xmpp::MakePresence(TYPE_PROBE, from, contact.jid);
      Send(TYPE_PROBE, from, contact.jid, question.stanza(), true, origin, receipt);
    }
  }
}

void Fanout::ToOwn(Account& account, std::string_view stanza, link::v1::Type type, const Origin& origin,
                   const Receipt& receipt) {
  for (auto& other : account.sessions()) {
    if (!other.available()) continue;
    Envelope envelope = Presence(type, std::string_view(), account.FullJid(other), stanza);
    origin.Mark(envelope);
    sender_.Deliver(other, std::move(envelope), receipt);
  }
}

void Fanout::OwnTo(Account& account, const Session& session, const Origin& cause, const Receipt& receipt) {
  const std::string to = account.FullJid(session);
  for (const auto& other : account.sessions()) {
    if (!other.available() || other.id() == session.id()) continue;
    Envelope envelope = Presence(TYPE_AVAILABLE, account.FullJid(other), to, other.record.presence());
    cause.For(other.id()).Mark(envelope);
    sender_.Deliver(session, std::move(envelope), receipt);
  }
}

void Fanout::Gone(const Account& account, const Record& gone, const Contacts& contacts, std::string_view stanza,
                  const Origin& origin, const Receipt& receipt) {
  const std::string from = account.bare() + "/" + gone.resource();
  const bool was_available = !gone.presence().empty();
  if (was_available) {
    for (const auto& contact : contacts.all()) {
      if (!contact.subscribed_to_us() || contact.jid == account.bare()) continue;
      Send(TYPE_UNAVAILABLE, from, contact.jid, stanza, false, origin, receipt);
    }
  }
  for (const auto& to : gone.directed()) {
    // RFC 6121 4.6.3: once, whichever way they knew of it.
    if (was_available && contacts.SubscribedToUs(xmpp::BareOf(to))) continue;
    Send(TYPE_UNAVAILABLE, from, to, stanza, false, origin, receipt);
  }
}

void Fanout::AllTo(Account& account, std::string_view to, const Origin& cause, const Receipt& receipt) {
  for (const auto& session : account.sessions()) {
    if (!session.available()) continue;
    const Origin origin = cause.For(session.id());
    Send(TYPE_AVAILABLE, account.FullJid(session), to, session.record.presence(), false, origin, receipt);
  }
}

void Fanout::AllGoneTo(Account& account, std::string_view to, const Receipt& receipt) {
  for (const auto& session : account.sessions()) {
    if (!session.available()) continue;
    const std::string from = account.FullJid(session);
    const Envelope gone = xmpp::MakePresence(TYPE_UNAVAILABLE, from, to);
    Send(TYPE_UNAVAILABLE, from, to, gone.stanza(), false, Origin(), receipt);
  }
}

}  // namespace parley::router
