#include <algorithm>

#include "services/router/testing/memory_roster.h"

namespace parley::router::testing {
namespace {

using roster::v1::ApplySubscription;

roster::v1::Subscription ToProto(xmpp::Subscription subscription) {
  return static_cast<roster::v1::Subscription>(static_cast<int>(subscription));
}

xmpp::Verb VerbOf(ApplySubscription::Verb verb) {
  switch (verb) {
    case ApplySubscription::VERB_SUBSCRIBE:
      return xmpp::Verb::kSubscribe;
    case ApplySubscription::VERB_SUBSCRIBED:
      return xmpp::Verb::kSubscribed;
    case ApplySubscription::VERB_UNSUBSCRIBE:
      return xmpp::Verb::kUnsubscribe;
    default:
      return xmpp::Verb::kUnsubscribed;
  }
}

template <class Item>
void Fill(roster::v1::Item& out, const std::string& jid, const Item& item) {
  out.set_jid(jid);
  out.set_name(item.name);
  for (const auto& group : item.groups) out.add_groups(group);
  out.set_subscription(ToProto(item.state.subscription));
  out.set_ask(item.state.pending_out);
  out.set_approved(item.state.approved);
  out.set_pending_in(item.state.pending_in);
  out.set_in_roster(item.in_roster);
}

xmpp::Subscription Mirror(xmpp::Subscription subscription) {
  if (subscription == xmpp::Subscription::kTo) return xmpp::Subscription::kFrom;
  if (subscription == xmpp::Subscription::kFrom) return xmpp::Subscription::kTo;
  return subscription;
}

std::string NameOf(const roster::v1::Ask& ask) {
  return ask.GetDescriptor()->FindFieldByNumber(ask.ask_case())->name();
}

}  // namespace

MemoryRoster::MemoryRoster(Loop& loop, const std::string& listen)
    : server_(loop, rpc::Self{"roster", "roster-1", "epoch"}, listen, rpc::LinkOptions(), Accounts(), this) {}

rpc::Methods MemoryRoster::Accounts() {
  namespace pb = accounts::v1;
  rpc::Methods methods;
  methods.Unary<pb::DeleteRequest, pb::DeleteResponse>("/parley.accounts.v1.Accounts/Delete",
                                                       [this](const pb::DeleteRequest& request, auto respond) {
                                                         pb::DeleteResponse response;
                                                         if (broken_) {
                                                           response.set_problem(pb::PROBLEM_STORE);
                                                         } else if (accounts_.erase(request.jid()) == 0) {
                                                           response.set_problem(pb::PROBLEM_NO_ACCOUNT);
                                                         }
                                                         respond(std::move(response));
                                                       });
  methods.Unary<pb::SetPasswordRequest, pb::SetPasswordResponse>(
      "/parley.accounts.v1.Accounts/SetPassword", [this](const pb::SetPasswordRequest& request, auto respond) {
        passwords_[request.jid()] = request.password();
        respond(pb::SetPasswordResponse());
      });
  return methods;
}

void MemoryRoster::Befriend(const std::string& user, const std::string& contact, xmpp::Subscription subscription) {
  accounts_[user].items[contact].state.subscription = subscription;
  accounts_[user].items[contact].in_roster = true;
  accounts_[contact].items[user].state.subscription = Mirror(subscription);
  accounts_[contact].items[user].in_roster = true;
}

void MemoryRoster::Rename(const std::string& owner, const std::string& contact, const std::string& name) {
  roster::v1::Ask ask;
  ask.mutable_set_item()->set_owner(owner);
  ask.mutable_set_item()->mutable_item()->set_jid(contact);
  ask.mutable_set_item()->mutable_item()->set_name(name);
  Handle(ask);
}

xmpp::SubscriptionState MemoryRoster::StateOf(const std::string& owner, const std::string& contact) const {
  const auto account = accounts_.find(owner);
  if (account == accounts_.end()) return {};
  const auto item = account->second.items.find(contact);
  return item == account->second.items.end() ? xmpp::SubscriptionState() : item->second.state;
}

std::vector<std::pair<std::int64_t, std::string>> MemoryRoster::offline(const std::string& owner) const {
  std::vector<std::pair<std::int64_t, std::string>> messages;
  const auto account = accounts_.find(owner);
  if (account == accounts_.end()) return messages;
  for (const auto& message : account->second.offline) messages.emplace_back(message.received_at(), message.stanza());
  return messages;
}

std::size_t MemoryRoster::offline_count(const std::string& owner) const {
  const auto account = accounts_.find(owner);
  return account == accounts_.end() ? 0 : account->second.offline.size();
}

std::vector<std::string> MemoryRoster::TakeAsked() { return std::exchange(asked_, {}); }

std::vector<std::pair<std::string, std::uint64_t>> MemoryRoster::TakeInbound(const std::string& owner) {
  return std::exchange(accounts_[owner].inbound, {});
}

void MemoryRoster::SetHolding(bool holding, const std::string& kind) {
  holding_ = holding;
  holding_kind_ = kind;
  for (auto& [body, respond] : std::exchange(held_, {})) Take(body, respond);
}

void MemoryRoster::OnRequest(rpc::Link&, const std::string& body, Respond respond) { Take(body, std::move(respond)); }

void MemoryRoster::Take(const std::string& body, Respond respond) {
  roster::v1::Ask ask;
  if (!ask.ParseFromString(body)) return respond(Error("not an ask"));
  asked_.push_back(NameOf(ask));
  if (answer_all_) return respond(answer_all_());
  const bool held = holding_ && (holding_kind_.empty() || holding_kind_ == NameOf(ask));
  if (held) return held_.emplace_back(body, std::move(respond)), void();
  if (body == last_ask_ && !broken_) return respond(last_answer_);
  const std::string answer = Handle(ask).SerializeAsString();
  if (doubted_ == 0) return respond(answer);
  --doubted_;
  last_ask_ = body;
  last_answer_ = answer;
  roster::v1::Answer in_doubt;
  in_doubt.set_problem(roster::v1::PROBLEM_IN_DOUBT);
  respond(in_doubt.SerializeAsString());
}

MemoryRoster::Account* MemoryRoster::Find(const std::string& owner, roster::v1::Answer& answer) {
  const auto account = accounts_.find(owner);
  if (account != accounts_.end()) return &account->second;
  answer.set_problem(roster::v1::PROBLEM_NO_ACCOUNT);
  return nullptr;
}

roster::v1::Answer MemoryRoster::Handle(const roster::v1::Ask& ask) {
  roster::v1::Answer answer;
  if (until_broken_ >= 0 && until_broken_-- == 0) broken_ = true;
  if (broken_) {
    answer.set_problem(roster::v1::PROBLEM_STORE);
    return answer;
  }
  const auto on = [&](const std::string& owner, auto handle) {
    if (Account* account = Find(owner, answer)) handle(*account);
  };
  switch (ask.ask_case()) {
    case roster::v1::Ask::kGetRoster:
      on(ask.get_roster().owner(), [&](Account& a) { Get(a, ask.get_roster(), answer); });
      break;
    case roster::v1::Ask::kSetItem:
      on(ask.set_item().owner(), [&](Account& a) { Set(a, ask.set_item(), answer); });
      break;
    case roster::v1::Ask::kRemoveItem:
      on(ask.remove_item().owner(), [&](Account& a) { Remove(a, ask.remove_item(), answer); });
      break;
    case roster::v1::Ask::kApplySubscription:
      on(ask.apply_subscription().owner(), [&](Account& a) { Apply(a, ask.apply_subscription(), answer); });
      break;
    case roster::v1::Ask::kStoreOffline:
      on(ask.store_offline().owner(), [&](Account& a) { Store(a, ask.store_offline(), answer); });
      break;
    case roster::v1::Ask::kFetchOffline:
      on(ask.fetch_offline().owner(), [&](Account& a) { Fetch(a, ask.fetch_offline(), answer); });
      break;
    case roster::v1::Ask::kDeleteOffline:
      on(ask.delete_offline().owner(), [&](Account& a) {
        const auto& ids = ask.delete_offline().ids();
        std::erase_if(a.offline, [&](const auto& m) { return std::find(ids.begin(), ids.end(), m.id()) != ids.end(); });
        answer.mutable_deleted()->set_messages(static_cast<std::uint32_t>(ids.size()));
      });
      break;
    case roster::v1::Ask::kAccountInfo:
      answer.mutable_account()->set_exists(accounts_.contains(ask.account_info().owner()));
      break;
    case roster::v1::Ask::kPendingSubscriptions:
      on(ask.pending_subscriptions().owner(), [&](Account& a) {
        auto& pending = *answer.mutable_pending();
        for (const auto& [jid, item] : a.items) {
          if (item.state.pending_in) pending.add_stanzas(item.pending_stanza);
        }
      });
      break;
    case roster::v1::Ask::ASK_NOT_SET:
      break;
  }
  return answer;
}

void MemoryRoster::Get(Account& account, const roster::v1::GetRoster& ask, roster::v1::Answer& answer) {
  auto& roster = *answer.mutable_roster();
  roster.set_version(std::to_string(account.version));
  roster.set_nothing_stored(account.offline.empty());
  roster.set_unchanged(ask.known_version() == roster.version());
  const std::uint64_t known = ask.known_version().empty() ? 0 : std::stoull(ask.known_version());
  roster.set_incremental(ask.accepts_changes() && known > 0 && known < account.version);
  for (const auto& change : account.changes) {
    if (roster.incremental() && std::stoull(change.version()) > known) *roster.add_changes() = change;
  }
  const bool known_well = roster.unchanged() || roster.incremental();
  if (known_well && !ask.with_items()) return;
  for (const auto& [jid, item] : account.items) {
    auto& listed = *roster.add_items();
    Fill(listed, jid, item);
    listed.set_refused(Refused(ask.owner(), jid, item));
  }
}

bool MemoryRoster::Refused(const std::string& owner, const std::string& contact, const Item& item) const {
  using xmpp::Subscription;
  const Subscription ours = item.state.subscription;
  const Subscription theirs = StateOf(contact, owner).subscription;
  const bool wanted = ours == Subscription::kTo || ours == Subscription::kBoth;
  return wanted && theirs != Subscription::kFrom && theirs != Subscription::kBoth;
}

bool MemoryRoster::AnswerAsTold(roster::v1::Answer& answer) {
  if (!next_set_) return false;
  *answer.mutable_item_change() = *std::exchange(next_set_, std::nullopt);
  return true;
}

void MemoryRoster::Set(Account& account, const roster::v1::SetItem& ask, roster::v1::Answer& answer) {
  if (AnswerAsTold(answer)) return;
  if (ask.item().name().size() > 1023) return answer.set_problem(roster::v1::PROBLEM_INVALID);
  auto& item = account.items[ask.item().jid()];
  item.name = ask.item().name();
  item.groups.assign(ask.item().groups().begin(), ask.item().groups().end());
  item.in_roster = true;
  Fill(*answer.mutable_item_change()->mutable_item(), ask.item().jid(), item);
  answer.mutable_item_change()->set_version(std::to_string(++account.version));
  account.changes.push_back(answer.item_change());
}

void MemoryRoster::Remove(Account& account, const roster::v1::RemoveItem& ask, roster::v1::Answer& answer) {
  if (AnswerAsTold(answer)) return;
  const auto item = account.items.find(ask.jid());
  if (item == account.items.end() || !item->second.in_roster) return answer.set_problem(roster::v1::PROBLEM_NO_ITEM);
  Fill(*answer.mutable_item_change()->mutable_item(), ask.jid(), item->second);
  Item rest;
  rest.state.pending_in = item->second.state.pending_in;
  rest.pending_stanza = item->second.pending_stanza;
  if (rest.state.pending_in) {
    item->second = std::move(rest);
  } else {
    account.items.erase(item);
  }
  answer.mutable_item_change()->set_version(std::to_string(++account.version));
  answer.mutable_item_change()->set_removed(true);
  account.changes.push_back(answer.item_change());
}

void MemoryRoster::Apply(Account& account, const ApplySubscription& ask, roster::v1::Answer& answer) {
  auto& change = *answer.mutable_subscription_change();
  const bool inbound = ask.direction() == ApplySubscription::DIRECTION_INBOUND;
  if (inbound) account.inbound.emplace_back(ask.origin(), ask.origin_seq());
  const auto found = account.items.find(ask.contact());
  Item before = found == account.items.end() ? Item() : found->second;
  const auto verb = VerbOf(ask.verb());
  const auto transition = inbound ? xmpp::Inbound(before.state, verb) : xmpp::Outbound(before.state, verb);
  change.set_before(ToProto(before.state.subscription));
  change.set_forward(transition.forward);
  change.set_auto_reply(transition.auto_reply);
  Item after = before;
  after.state = transition.next;
  const bool adds = !inbound && (verb == xmpp::Verb::kSubscribe || verb == xmpp::Verb::kSubscribed);
  after.in_roster = before.in_roster || (adds && !(after.state == before.state)) ||
                    after.state.subscription != xmpp::Subscription::kNone;
  if (inbound && verb == xmpp::Verb::kSubscribe) after.pending_stanza = ask.stanza();
  const bool visible = after.state.subscription != before.state.subscription ||
                       after.state.pending_out != before.state.pending_out ||
                       after.state.approved != before.state.approved || after.in_roster != before.in_roster;
  if (after.state == xmpp::SubscriptionState() && !after.in_roster) {
    account.items.erase(ask.contact());
    return;
  }
  account.items[ask.contact()] = after;
  Fill(*change.mutable_item(), ask.contact(), after);
  if (visible && after.in_roster) change.set_push(true);
  change.set_version(std::to_string(visible ? ++account.version : account.version));
  if (!change.push()) return;
  *account.changes.emplace_back().mutable_item() = change.item();
  account.changes.back().set_version(change.version());
}

void MemoryRoster::Store(Account& account, const roster::v1::StoreOffline& ask, roster::v1::Answer& answer) {
  if (ask.owner() == unstorable_) return answer.set_problem(roster::v1::PROBLEM_STORE);
  const std::string key = ask.origin() + " " + std::to_string(ask.origin_seq());
  if (!ask.origin().empty() && account.stored.contains(key)) return answer.mutable_stored()->set_repeat(true);
  if (account.offline.size() >= quota_) return answer.set_problem(roster::v1::PROBLEM_TOO_MANY);
  account.stored.insert(key);
  auto& message = account.offline.emplace_back();
  message.set_id(next_id_++);
  message.set_stanza(ask.stanza());
  message.set_received_at(ask.received_at());
  message.set_origin(ask.origin());
  message.set_origin_seq(ask.origin_seq());
  answer.mutable_stored();
}

void MemoryRoster::Fetch(Account& account, const roster::v1::FetchOffline& ask, roster::v1::Answer& answer) {
  auto& messages = *answer.mutable_offline_messages();
  for (const auto& message : account.offline) {
    if (message.id() <= ask.after_id()) continue;
    if (static_cast<std::uint32_t>(messages.messages_size()) == ask.limit()) return messages.set_more(true);
    *messages.add_messages() = message;
  }
}

}  // namespace parley::router::testing
