#include "services/router/delivery.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/xmpp/jid.h"
#include "services/router/diverted.h"
#include "services/router/subscriptions.h"

namespace parley::router {
namespace {

Session* Named(Account& account, const Envelope& envelope) {
  const std::string_view resource = xmpp::ResourceOf(envelope.to());
  return resource.empty() ? nullptr : account.WithResource(resource);
}

// RFC 6121 8.5.2.1.1
auto IsMostAvailable(const Account& account) {
  const int highest = account.highest_priority();
  return [highest](const Session& s) { return s.available() && s.record.priority() == highest; };
}

// A message that goes to several sessions: answered with an error only if not one of them takes it.
class Copies {
 public:
  // What is owed for one of them.
  class Debt final : public Receipt::Debt {
   public:
    explicit Debt(std::shared_ptr<Copies> copies) : copies_(std::move(copies)) { ++copies_->made_; }
    bool severed() const override { return copies_->told_.severed(); }
    bool unhurried() const override { return copies_->told_.unhurried(); }
    bool taken() const override { return copies_->delivered_ || copies_->told_.taken(); }

   private:
    void Settle(rpc::RefusalReason refusal) override {
      if (refusal == link::v1::REFUSAL_REASON_UNSPECIFIED) copies_->delivered_ = true;
      ++copies_->settled_;
    }

    std::shared_ptr<Copies> copies_;
  };

  Copies(Sender& sender, const Held& held) : sender_(sender), message_(*held.envelope), told_(held.receipt) {}
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies() {
    if (settled_ < made_) {  // the process is going
      told_.Abandon();
    } else if (!delivered_ && message_.copied()) {
      told_.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);  // others may have it
    } else if (!delivered_) {
      Bounce();
    }
  }

 private:
  void Bounce() {
    Held bounced;
    bounced.envelope = std::make_unique<Envelope>(std::move(message_));
    bounced.receipt = std::move(told_);
    sender_.Bounce(std::move(bounced), xmpp::ResourceConstraint("No session of the recipient takes it"));
  }

  Sender& sender_;
  Envelope message_;
  Receipt told_;
  int made_ = 0;
  int settled_ = 0;
  bool delivered_ = false;
};

}  // namespace

Delivery::Delivery(Sender& sender, Offline& offline, OfflineSpool& spool, const Options& options)
    : sender_(sender), offline_(offline), spool_(spool), remember_diverted_(options.remember_diverted) {}

bool Delivery::MessageNow(Account& account, Held& held) {
  if (DivertedBefore(account, held)) return true;
  const Envelope& envelope = *held.envelope;
  Session* named = Named(account, envelope);
  Address address = Address::kBare;
  if (named != nullptr) {
    address = Address::kResourceHere;
  } else if (!xmpp::ResourceOf(envelope.to()).empty()) {
    address = Address::kResourceGone;
  }
  switch (MessageRule(address, account.reach(), envelope.type())) {
    case Outcome::kDeliverThere:
      There(*named, std::move(held));
      break;
    case Outcome::kDeliverMostAvailable:
      if (BehindStored(account)) return offline_.StoreNow(account, held);
      MostAvailable(account, std::move(held));
      break;
    case Outcome::kDeliverAll:
      ToEach(account, std::move(held), [](const Session& s) { return s.takes_messages(); });
      break;
    case Outcome::kStore:
      return offline_.StoreNow(account, held);
    case Outcome::kBounce:
      sender_.Bounce(account, std::move(held), xmpp::ServiceUnavailable());
      break;
    case Outcome::kIgnore:
      sender_.metrics().ignored.Increment();
      rpc::NoteOutcome(held.receipt, "ignored");
      held = Held();
      break;
  }
  return true;
}

void Delivery::MostAvailable(Account& account, Held held) {
  const auto wanted = IsMostAvailable(account);
  if (!xmpp::ResourceOf(held.envelope->to()).empty()) NoteDiverted(account, *held.envelope, wanted);
  ToEach(account, std::move(held), wanted);
}

bool Delivery::BehindStored(const Account& account) const {
  const auto wanted = IsMostAvailable(account);
  const auto& all = account.sessions();
  const auto first = std::find_if(all.begin(), all.end(), wanted);
  return first != all.end() && offline_.Owes(account, *first) && std::none_of(first + 1, all.end(), wanted);
}

template <class Wanted>
void Delivery::NoteDiverted(Account& account, const Envelope& envelope, Wanted wanted) {
  if (remember_diverted_ == 0) return;
  std::vector<std::string> to;
  for (const auto& session : account.sessions()) {
    if (wanted(session)) to.push_back(session.id());
  }
  if (!account.diverted()) account.diverted() = std::make_shared<Diverted>();
  account.diverted()->Note(envelope, std::move(to), remember_diverted_);
}

bool Delivery::DivertedBefore(Account& account, Held& held) {
  if (!held.envelope->repeat() || !account.diverted()) return false;
  const auto to = account.diverted()->Sessions(*held.envelope);
  const auto had_it = [&to](const Session& s) { return std::find(to.begin(), to.end(), s.id()) != to.end(); };
  const auto& all = account.sessions();
  if (std::none_of(all.begin(), all.end(), had_it)) return false;
  sender_.metrics().diverted_again.Increment();
  ToEach(account, std::move(held), had_it);
  return true;
}

Task<void> Delivery::StoreMessage(Account& account, Held held, StillDue still_due) {
  const auto visit = spool_.Visit(account.bare());
  bool worth_while = true;
  while (worth_while) {
    worth_while = co_await spool_.Room(account.bare());
    bool due = true;
    if (still_due) due = co_await still_due(account, held);
    if (!due) co_return;
    if (held.receipt.severed()) held.envelope->set_repeat(true);
    if (MessageNow(account, held)) co_return;
  }
  spool_.Refuse(std::move(held));
}

void Delivery::Presence(Account& account, Held held) {
  const Envelope& envelope = *held.envelope;
  if (!xmpp::ResourceOf(envelope.to()).empty()) {
    Session* named = Named(account, envelope);
    if (named != nullptr) There(*named, std::move(held));
    return;  // 8.5.3.2.2: silently ignored
  }
  if (envelope.type() == link::v1::TYPE_ERROR) {
    // Of a subscription stanza, which came from the bare JID: only the session that sent it cares.
    Session* asked = account.WithId(envelope.session());
    if (asked != nullptr) There(*asked, std::move(held));
    return;
  }
  ToEach(account, std::move(held), [](const Session& s) { return s.available(); });
}

void Delivery::Iq(Account& account, Held held) {
  Session* named = Named(account, *held.envelope);
  // 8.5.3.2.3; an answer that nobody waits for any more just ends.
  if (named == nullptr) return sender_.Bounce(account, std::move(held), xmpp::ServiceUnavailable());
  There(*named, std::move(held));
}

void Delivery::There(Session& session, Held held) {
  // An answer for a session whose resource has another one now: delivered as to anybody, it answers nothing of it.
  if (held.envelope->answers() != 0 && held.envelope->session() != session.id()) held.envelope->set_answers(0);
  sender_.Deliver(session, std::move(held));
}

template <class Wanted>
void Delivery::ToEach(Account& account, Held held, Wanted wanted) {
  const auto& all = account.sessions();
  std::shared_ptr<Copies> copies;
  if (std::count_if(all.begin(), all.end(), wanted) > 1) {
    if (held.envelope->kind() == link::v1::KIND_MESSAGE) copies = std::make_shared<Copies>(sender_, held);
    held.envelope->set_copied(true);
    held.envelope->set_received_at(UnixMilliseconds());  // who was bound by then had it
  }
  const auto receipt = [&] { return copies ? Receipt(std::make_unique<Copies::Debt>(copies)) : held.receipt; };
  Session* last = nullptr;
  for (auto& session : account.sessions()) {
    if (!wanted(session)) continue;
    if (last != nullptr) {
      Envelope copy(*held.envelope);
      sender_.Deliver(*last, std::move(copy), receipt());
    }
    last = &session;
  }
  if (last == nullptr) return;
  held.receipt = receipt();
  sender_.Deliver(*last, std::move(held));
}

// To the other it is new, also if its sender has said more to that since; unless others got it before. That one is
// there says nothing of whether it had it (Unacknowledged): the one may be cut off for good, the other be full.
Held Delivery::Share(Held& waiting) {
  const bool repeat = waiting.envelope->copied();
  const auto copies = std::make_shared<Copies>(sender_, waiting);
  waiting.receipt = Receipt(std::make_unique<Copies::Debt>(copies));
  waiting.envelope->set_copied(true);
  waiting.envelope->clear_received_at();
  Held copy;
  copy.envelope = std::make_unique<Envelope>(*waiting.envelope);
  copy.envelope->set_repeat(repeat);
  copy.receipt = Receipt(std::make_unique<Copies::Debt>(copies));
  return copy;
}

bool Delivery::WasShared(const Held& held) {
  return held.envelope->copied() && held.envelope->received_at() == 0 && held.receipt.taken();
}

void Delivery::NoteShared(Held& held) {
  if (WasShared(held)) held.envelope->set_received_at(UnixMilliseconds());
}

Task<void> Delivery::Again(Account& account, Held held) {
  Envelope& envelope = *held.envelope;
  envelope.set_leg(link::v1::LEG_INBOUND);
  envelope.clear_session();
  // To others of the user's sessions it may have gone already. If not, it is new to them, also if its sender has said
  // more to them since. A request may have been answered: the edge of who asked knows, or is asked again. What its
  // sender has sent again may have come to them by another router.
  envelope.set_repeat(envelope.copied() || envelope.kind() == link::v1::KIND_IQ || held.receipt.severed());
  envelope.clear_copied();
  switch (envelope.kind()) {
    case link::v1::KIND_MESSAGE:
      if (!MessageNow(account, held)) co_await StoreMessage(account, std::move(held));
      break;
    case link::v1::KIND_IQ:
      Iq(account, std::move(held));
      break;
    default:  // presence was for that session
      break;
  }
}

void Delivery::GiveUp(Held held, const xmpp::StanzaError& error) {
  const Envelope& envelope = *held.envelope;
  // Plain presence is gone with the moment; the next one replaces it.
  if (envelope.kind() == link::v1::KIND_PRESENCE && !IsSubscription(envelope.type())) return;
  if (envelope.kind() == link::v1::KIND_MESSAGE && envelope.copied()) {
    held.receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);  // others may have it: see Copies
    return;
  }
  sender_.Bounce(std::move(held), error);
}

}  // namespace parley::router
