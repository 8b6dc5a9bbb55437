#include "services/roster/contacts/pg_roster_store.h"

#include <utility>

#include "services/roster/contacts/repeats.h"
#include "services/roster/contacts/roster_rows.h"

namespace parley::roster {
namespace {

// One change of one contact, decided by a rule, under the account's lock.
template <class Answer>
struct Change {
  std::string owner;
  std::string jid;
  std::string key;      // of the ask; empty: a repeat would not be recognised
  std::string request;  // a subscription request to keep if the contact is then pending in
  // From the contact as it was: as it shall be, and the answer except for its version.
  struct Decision {
    v1::Item after;
    Answer answer;
  };
  std::function<Outcome<Decision>(const v1::Item& before)> decide;
  // To a repeat: from what was remembered of the first answer, and the contact as it is now.
  std::function<Answer(Answer first, const v1::Item& now)> answer_again;
};

template <class Ask>
std::string KeyOf(std::string_view verb, const Ask& ask, const std::string& jid) {
  if (ask.origin().empty()) return {};
  std::string key(verb);
  return key.append(" ").append(ask.origin()).append(" ").append(std::to_string(ask.origin_seq())).append(" ") += jid;
}

void WriteContact(pqxx::transaction_base& tx, const rows::LockedAccount& account, const v1::Item& before,
                  const v1::Item& after, const RosterLimits& limits) {
  if (Vanishes(after)) {
    if (!Vanishes(before)) rows::DeleteItem(tx, account.id, after.jid());
  } else {
    rows::WriteItem(tx, account.id, after, account.version);
  }
  if (before.in_roster() && !after.in_roster()) {
    rows::Bury(tx, account.id, after.jid(), account.version, limits.history);
  }
  if (!before.in_roster() && after.in_roster()) rows::Unbury(tx, account.id, after.jid());
}

void WriteRequest(pqxx::transaction_base& tx, std::int64_t account, const v1::Item& before, const v1::Item& after,
                  const std::string& request) {
  if (after.pending_in() && !request.empty()) rows::KeepRequest(tx, account, after.jid(), request);
  if (!after.pending_in() && before.pending_in() && !Vanishes(after)) rows::DropRequest(tx, account, after.jid());
}

void Count(RosterCounts& counts, const v1::Item& before, const v1::Item& after) {
  counts.items += static_cast<int>(after.in_roster()) - static_cast<int>(before.in_roster());
  counts.bytes += SizeOf(after) - SizeOf(before);
  counts.pending_in += static_cast<int>(after.pending_in()) - static_cast<int>(before.pending_in());
}

template <class Answer>
Outcome<Answer> Perform(pqxx::connection& connection, const Change<Answer>& change, const RosterLimits& limits) {
  pqxx::work tx(connection);
  auto account = rows::Lock(tx, change.owner, change.key);
  if (!account) return v1::PROBLEM_NO_ACCOUNT;
  const auto contact = rows::ReadContact(tx, *account, change.jid, change.key);
  const v1::Item& before = contact.item;
  if (contact.first_answer) {
    Answer first;
    first.ParseFromString(*contact.first_answer);
    return change.answer_again(std::move(first), before);
  }
  auto decision = change.decide(before);
  if (!decision) return decision.error();
  const v1::Item& after = decision->after;
  if (const auto problem = CheckCounts(before, after, account->counts, limits)) return *problem;

  if (VisiblyDifferent(before, after)) ++account->version;
  WriteContact(tx, *account, before, after, limits);
  WriteRequest(tx, account->id, before, after, change.request);
  Count(account->counts, before, after);
  decision->answer.set_version(std::to_string(account->version));
  const Answer& answer = decision->answer;
  rows::Save(tx, *account, {change.key, answer.SerializeAsString(), ToRemember(answer).SerializeAsString()});
  tx.commit();
  return std::move(decision->answer);
}

template <class Answer>
void RunChange(Database& database, Change<Answer> change, const RosterLimits& limits,
               std::function<void(Outcome<Answer>)> reply) {
  // Asked again, it is recognised by its key.
  const auto in_doubt = change.key.empty() ? v1::PROBLEM_STORE : v1::PROBLEM_IN_DOUBT;
  Database::Job<Answer, v1::Problem> job = [change = std::move(change), limits](pqxx::connection& connection) {
    return Perform(connection, change, limits);
  };
  database.Run(std::move(job), v1::PROBLEM_STORE, in_doubt, std::move(reply));
}

std::string_view VerbKey(const v1::ApplySubscription& ask) { return v1::ApplySubscription::Verb_Name(ask.verb()); }

}  // namespace

void PgRosterStore::Get(const v1::GetRoster& ask, Reply<v1::Roster> reply) {
  Reply<std::optional<v1::Roster>> whole_if_needed = [this, owner = ask.owner(),
                                                      reply](Outcome<std::optional<v1::Roster>> found) {
    if (!found) return reply(found.error());
    if (*found) return reply(std::move(**found));
    v1::GetRoster whole;
    whole.set_owner(owner);
    Get(whole, reply);
  };
  database_.Read(rows::ReadRoster(ask, limits_.max_changes), v1::PROBLEM_STORE, std::move(whole_if_needed));
}

void PgRosterStore::Set(const v1::SetItem& ask, Reply<v1::ItemChange> reply) {
  using ItemChange = Change<v1::ItemChange>;
  ItemChange change{.owner = ask.owner(), .jid = ask.item().jid(), .key = KeyOf("set", ask, ask.item().jid())};
  change.decide = [wanted = ask.item(), limits = limits_](const v1::Item& before) -> Outcome<ItemChange::Decision> {
    auto after = WithNameAndGroups(before, wanted, limits);
    if (!after) return after.error();
    ItemChange::Decision decision{.after = std::move(*after)};
    *decision.answer.mutable_item() = decision.after;
    return decision;
  };
  change.answer_again = SetAgain;
  RunChange(database_, std::move(change), limits_, std::move(reply));
}

void PgRosterStore::Remove(const v1::RemoveItem& ask, Reply<v1::ItemChange> reply) {
  using ItemChange = Change<v1::ItemChange>;
  ItemChange change{.owner = ask.owner(), .jid = ask.jid(), .key = KeyOf("remove", ask, ask.jid())};
  change.decide = [](const v1::Item& before) -> Outcome<ItemChange::Decision> {
    auto after = WithoutItem(before);
    if (!after) return after.error();
    ItemChange::Decision decision{.after = std::move(*after)};
    *decision.answer.mutable_item() = before;
    decision.answer.set_removed(true);
    return decision;
  };
  change.answer_again = RemovedAgain;
  RunChange(database_, std::move(change), limits_, std::move(reply));
}

void PgRosterStore::Apply(const v1::ApplySubscription& ask, Reply<v1::SubscriptionChange> reply) {
  using ItemChange = Change<v1::SubscriptionChange>;
  ItemChange change{.owner = ask.owner(), .jid = ask.contact(), .key = KeyOf(VerbKey(ask), ask, ask.contact())};
  change.request = ask.stanza();
  change.decide = [ask, limits = limits_](const v1::Item& before) -> Outcome<ItemChange::Decision> {
    auto applied = WithSubscription(before, ask, limits);
    if (!applied) return applied.error();
    return ItemChange::Decision{.after = applied->item(), .answer = *applied};
  };
  change.answer_again = [ask](v1::SubscriptionChange first, const v1::Item& now) {
    return AppliedAgain(ask, std::move(first), now);
  };
  RunChange(database_, std::move(change), limits_, std::move(reply));
}

void PgRosterStore::Pending(const v1::PendingSubscriptions& ask, Reply<v1::Pending> reply) {
  database_.Read(rows::ReadPending(ask.owner()), v1::PROBLEM_STORE, std::move(reply));
}

void PgRosterStore::Account(const v1::AccountInfo& ask, Reply<v1::Account> reply) {
  database_.Read(rows::ReadAccount(ask.owner()), v1::PROBLEM_STORE, std::move(reply));
}

void PgRosterStore::Forget(std::chrono::milliseconds age, Reply<std::uint32_t> reply) {
  std::function<std::uint32_t(pqxx::transaction_base&)> forget = [age](pqxx::transaction_base& tx) {
    return rows::ForgetAsks(tx, age.count());
  };
  database_.Commit(std::move(forget), v1::PROBLEM_STORE, std::move(reply));
}

}  // namespace parley::roster
