#include "services/router/presence.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>
#include <vector>

#include "libs/xml/element.h"
#include "libs/xmpp/jid.h"

namespace parley::router {
namespace {

using link::v1::TYPE_AVAILABLE;
using link::v1::TYPE_UNAVAILABLE;

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::optional<int> PriorityOf(std::string_view presence) {
  if (presence.find("priority") == std::string_view::npos) return 0;  // the usual case needs no tree
  const auto element = xml::Element::Parse(presence);
  const xml::Element* priority = element ? element->Find("priority", "jabber:client") : nullptr;
  if (priority == nullptr) return 0;
  const std::string text = priority->text();
  std::string_view digits = Trim(text);
  if (digits.starts_with('+')) digits.remove_prefix(1);  // xs:byte
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (value < -128 || value > 127) return std::nullopt;
  return value;
}

void PutPresence(const Envelope& envelope, Record& record) {
  const bool broadcast = envelope.kind() == link::v1::KIND_PRESENCE && envelope.type() == TYPE_AVAILABLE;
  if (!broadcast || !envelope.to().empty()) return;
  const auto priority = PriorityOf(envelope.stanza());
  if (!priority) return;
  record.set_presence(envelope.stanza());
  record.set_priority(*priority);
}

Presence::Presence(const Parts& parts, const Options& options) : parts_(parts), max_directed_(options.max_directed) {}

Task<void> Presence::Broadcast(Account& account, Held held) {
  if (held.envelope->type() == TYPE_UNAVAILABLE) {
    co_await Unavailable(account, std::move(held));
  } else if (held.envelope->type() == TYPE_AVAILABLE) {
    co_await Available(account, std::move(held));
  }
}

Task<void> Presence::Available(Account& account, Held held) {
  const Envelope& envelope = *held.envelope;
  const std::string id = envelope.origin();
  const auto priority = PriorityOf(envelope.stanza());
  if (!priority) {
    const auto error = xmpp::BadRequest("The priority is not a number from -128 to 127");
    parts_.sender.Bounce(account, std::move(held), error);
    co_return;
  }
  Session* before = account.WithId(id);
  if (before == nullptr) co_return;
  // A repeat may be all that is left of a first attempt which a fault cut short.
  const bool untold = std::exchange(before->unannounced, false) || envelope.repeat();
  const bool initial = untold || !before->available();
  const bool new_for_messages = untold || !before->takes_messages();
  const bool rises = new_for_messages || before->record.priority() < *priority;
  std::vector<Record> stranded;
  if (rises && *priority >= std::max(0, account.highest_priority())) stranded = parts_.stranded.WithOthers(account, id);
  if (before->record.presence() != envelope.stanza()) {  // not written ahead
    Sessions::Change change = [&](Record& record) {
      if (!held.receipt.severed()) PutPresence(envelope, record);
    };
    const bool alive = co_await parts_.sessions.Update(account, id, change);
    if (!alive || held.receipt.severed()) co_return;  // see Rules::Outbound
  }
  Session* session = account.WithId(id);
  if (session == nullptr) co_return;

  const Origin origin(envelope);
  parts_.fanout.ToOwn(account, session->record.presence(), TYPE_AVAILABLE, origin, held.receipt);
  if (initial) parts_.fanout.OwnTo(account, *session, origin, held.receipt);
  co_await Introduce(account, id, initial, origin, held.receipt);
  if (*priority >= 0 && new_for_messages && !account.anonymous()) {
    const auto attempt = envelope.repeat() ? Offline::Attempt::kRepeat : Offline::Attempt::kFirst;
    co_await parts_.offline.Flush(account, id, attempt);
  }
  co_await parts_.stranded.Share(account, id, std::move(stranded));
}

Task<void> Presence::Introduce(Account& account, std::string id, bool initial, Origin origin, Receipt receipt) {
  const auto contacts = co_await parts_.rosters.Get(account.bare());
  const Session* session = account.WithId(id);
  if (session == nullptr || !session->available()) co_return;
  if (!contacts) {
    auto later = IntroduceLater(account.bare(), std::move(id), initial, std::move(origin), std::move(receipt));
    parts_.tasks.Spawn("introduce_later", std::move(later));
    co_return;
  }
  parts_.fanout.ToContacts(account, *session, **contacts, initial, origin, receipt);
  if (initial && (*contacts)->any_pending_in()) co_await DeliverPending(account, std::move(id), std::move(receipt));
}

// Messages may have been stored while the session was not to be seen.
Task<void> Presence::Resume(Account& account, std::string id, Absence absence) {
  const Session* session = account.WithId(id);
  if (session == nullptr || !session->available()) co_return;
  if (absence == Absence::kNoticed) {
    parts_.fanout.ToOwn(account, session->record.presence(), TYPE_AVAILABLE, Origin(), Receipt());
    co_await Introduce(account, id, true, Origin(), Receipt());
  }
  co_await parts_.offline.Resume(account, std::move(id));
}

// The roster service was away. The session can be reached already; contacts hear of it when the service is back.
Task<void> Presence::IntroduceLater(std::string bare, std::string id, bool initial, Origin origin, Receipt receipt) {
  co_await parts_.rosters.MayBeBack();
  AccountTable::Job job;
  job.run = [this, id, initial, origin, receipt](Account& a) { return Introduce(a, id, initial, origin, receipt); };
  parts_.accounts.Post(bare, std::move(job));
}

// RFC 6121 3.1.3: again at each login, until the user answers.
Task<void> Presence::DeliverPending(Account& account, std::string id, Receipt receipt) {
  roster::v1::Ask ask;
  ask.mutable_pending_subscriptions()->set_owner(account.bare());
  ask.set_session(id);
  const auto answer = co_await parts_.rosters.Ask(account.bare(), std::move(ask));
  const Session* session = account.WithId(id);
  if (session == nullptr) co_return;
  for (const auto& stanza : answer.pending().stanzas()) {
    Envelope envelope;
    envelope.set_kind(link::v1::KIND_PRESENCE);
    envelope.set_type(link::v1::TYPE_SUBSCRIBE);
    envelope.set_to(account.bare());
    envelope.set_stanza(stanza);
    parts_.sender.Deliver(*session, std::move(envelope), receipt);
  }
}

Task<void> Presence::Unavailable(Account& account, Held held) {
  const Envelope& envelope = *held.envelope;
  const std::string id = envelope.origin();
  Session* session = account.WithId(id);
  if (session == nullptr) co_return;
  Record gone = session->record;
  // A repeat: whether the first one was told to all is not known.
  if (gone.presence().empty() && envelope.repeat()) gone.set_presence(envelope.stanza());
  if (gone.presence().empty() && gone.directed().empty()) co_return;
  // Told before it is written: who takes over after a crash in between tells it again rather than never. It counts for
  // ToOwn, so that the session itself gets it too.
  const auto contacts = co_await parts_.rosters.Get(account.bare());
  session = account.WithId(id);
  if (session == nullptr || held.receipt.severed()) co_return;  // see Rules::Outbound
  const Origin origin(envelope);
  if (contacts) parts_.fanout.Gone(account, gone, **contacts, envelope.stanza(), origin, held.receipt);
  parts_.fanout.ToOwn(account, envelope.stanza(), TYPE_UNAVAILABLE, origin, held.receipt);
  Sessions::Change change = [&](Record& record) {
    if (held.receipt.severed()) return;
    record.clear_presence();
    record.clear_priority();
    record.clear_directed();
  };
  co_await parts_.sessions.Update(account, id, change);
  if (!contacts) co_await parts_.sessions.SayGone(account, gone, envelope.stanza(), origin, held.receipt);
}

Task<void> Presence::Directed(Account& account, Held held) {
  const Envelope& envelope = *held.envelope;
  const std::string to = envelope.to();
  const bool own = xmpp::BareOf(to) == account.bare();
  if (!parts_.sender.Reachable(to)) {
    parts_.sender.Bounce(account, std::move(held), xmpp::RemoteServerNotFound());
    co_return;
  }
  if (xmpp::LocalOf(to).empty()) co_return;  // the server itself has no use for it
  if (envelope.type() == TYPE_AVAILABLE && !own) {
    // Sent again, but its session is over by now: nobody would hear of that.
    if (account.Asking(envelope.origin()) == nullptr) co_return;
    const bool room = co_await Remember(account, envelope);
    if (!room) {
      const auto error = xmpp::ResourceConstraint("Directed presence went to too many entities");
      parts_.sender.Bounce(account, std::move(held), error);
      co_return;
    }
  }
  const bool forget = envelope.type() == TYPE_UNAVAILABLE && !own;
  const std::string id = envelope.origin();
  parts_.sender.Forward(std::move(held));
  if (forget) co_await Forget(account, id, to);
}

// RFC 6121 4.6.3: who had directed presence, and would not see the broadcast that ends it. False: too many.
Task<bool> Presence::Remember(Account& account, const Envelope& presence) {
  const std::string to = presence.to();
  const Session* session = account.WithId(presence.origin());
  if (session == nullptr) co_return true;
  const auto& known = session->record.directed();
  if (std::find(known.begin(), known.end(), to) != known.end()) co_return true;
  if (session->available()) {
    const auto contacts = co_await parts_.rosters.Get(account.bare());
    if (contacts && (*contacts)->SubscribedToUs(xmpp::BareOf(to))) co_return true;
    session = account.WithId(presence.origin());
    if (session == nullptr) co_return true;
  }
  if (Full(session->record, to)) {
    parts_.sender.metrics().limits_directed.Increment();
    co_return false;
  }
  Sessions::Change change = [&](Record& record) { record.add_directed(to); };
  co_await parts_.sessions.Update(account, presence.origin(), change);
  co_return true;
}

// The list is written to Redis with each change of it: long addresses count for several.
bool Presence::Full(const Record& record, const std::string& another) const {
  constexpr std::size_t kUsualAddress = 64;
  const auto limit = static_cast<std::size_t>(max_directed_);
  if (static_cast<std::size_t>(record.directed_size()) >= limit) return true;
  std::size_t bytes = another.size();
  for (const auto& to : record.directed()) bytes += to.size();
  return record.directed_size() > 0 && bytes > limit * kUsualAddress;
}

Task<void> Presence::Forget(Account& account, std::string id, std::string to) {
  const Session* session = account.WithId(id);
  if (session == nullptr) co_return;
  const auto& known = session->record.directed();
  if (std::find(known.begin(), known.end(), to) == known.end()) co_return;
  Sessions::Change change = [&](Record& record) {
    auto& all = *record.mutable_directed();
    all.erase(std::remove(all.begin(), all.end(), to), all.end());
  };
  co_await parts_.sessions.Update(account, std::move(id), change);
}

bool Presence::AnswerProbeNow(Account& account, const Envelope& probe, const Receipt& receipt) {
  const std::string& from = probe.from();
  const std::string_view asker = xmpp::BareOf(from);
  const bool none = account.reach() == Reach::kNoResource;
  const auto contacts = parts_.rosters.Cached(account.bare());
  // Our own routers ask so for a user whose subscription both rosters name (Fanout::ToContacts): the contact's need not
  // be read again to say that it is away.
  const bool believed = probe.probe() && none && contacts == nullptr;
  if (asker != account.bare() && !believed) {
    if (contacts == nullptr) return false;
    if (!contacts->SubscribedToUs(asker)) {
      parts_.sender.Forward(xmpp::MakePresence(link::v1::TYPE_UNSUBSCRIBED, account.bare(), asker), receipt);
      return true;
    }
  }
  if (none) {
    parts_.sender.Forward(xmpp::MakePresence(TYPE_UNAVAILABLE, account.bare(), from), receipt);
  } else {
    parts_.fanout.AllTo(account, from, Origin(probe), receipt);
  }
  return true;
}

Task<void> Presence::AnswerProbe(Account& account, Held held) {
  const auto contacts = co_await parts_.rosters.Get(account.bare());
  if (contacts) AnswerProbeNow(account, *held.envelope, held.receipt);
}

}  // namespace parley::router
