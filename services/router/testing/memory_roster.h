#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/rpc/server.h"
#include "libs/xmpp/subscription.h"
#include "parley/accounts/v1/accounts.pb.h"
#include "parley/roster/v1/roster.pb.h"

namespace parley::router::testing {

// A roster service without a database, for tests of routers: parley.roster.v1 over real links, and
// what routers need of parley.accounts.v1.
class MemoryRoster final : public rpc::LinkHandler {
 public:
  MemoryRoster(Loop& loop, const std::string& listen);

  void AddAccount(const std::string& jid) { accounts_[jid]; }
  void RemoveAccount(const std::string& jid) { accounts_.erase(jid); }
  // As if the two had been through it already; `subscription` is the first one's.
  void Befriend(const std::string& user, const std::string& contact, xmpp::Subscription subscription);
  // All asks fail, as without PostgreSQL.
  void SetBroken(bool broken) { broken_ = broken; }
  // Messages for this account fail.
  void SetUnstorable(const std::string& owner) { unstorable_ = owner; }
  // As another router has it changed.
  void Rename(const std::string& owner, const std::string& contact, const std::string& name);
  // What the next set of a roster is answered, which changes nothing then.
  void AnswerNextSet(const roster::v1::ItemChange& change) { next_set_ = change; }
  // What all asks are answered, or refused with; null: as usual.
  void AnswerAll(std::function<Result<std::string>()> answer) { answer_all_ = std::move(answer); }
  // As SetBroken, once it has answered so many more.
  void BreakAfter(int asks) { until_broken_ = asks; }
  // So many asks are done, but answered as if PostgreSQL had ended while it committed.
  void DoubtNext(int asks) { doubted_ = asks; }
  // Asks are kept until told otherwise; all, or those of one kind.
  void SetHolding(bool holding, const std::string& kind = {});
  std::size_t held() const { return held_.size(); }
  void SetOfflineQuota(std::size_t messages) { quota_ = messages; }

  xmpp::SubscriptionState StateOf(const std::string& owner, const std::string& contact) const;
  std::size_t offline_count(const std::string& owner) const;
  // When each of these was received, and what it is.
  std::vector<std::pair<std::int64_t, std::string>> offline(const std::string& owner) const;
  const std::map<std::string, std::string>& passwords() const { return passwords_; }
  bool HasAccount(const std::string& jid) const { return accounts_.contains(jid); }
  // Names of the asks since the last call.
  std::vector<std::string> TakeAsked();
  // By which stanzas subscriptions of this account were changed from outside: origin and number.
  std::vector<std::pair<std::string, std::uint64_t>> TakeInbound(const std::string& owner);
  int port() const { return server_.port(); }

 private:
  struct Item {
    xmpp::SubscriptionState state;
    std::string name;
    std::vector<std::string> groups;
    bool in_roster = false;
    std::string pending_stanza;
  };
  struct Account {
    std::map<std::string, Item> items;
    std::uint64_t version = 1;
    std::vector<roster::v1::ItemChange> changes;  // in order
    std::deque<roster::v1::OfflineMessage> offline;
    std::set<std::string> stored;
    std::vector<std::pair<std::string, std::uint64_t>> inbound;
  };

  rpc::Methods Accounts();
  void Take(const std::string& body, Respond respond);
  roster::v1::Answer Handle(const roster::v1::Ask& ask);
  void Get(Account& account, const roster::v1::GetRoster& ask, roster::v1::Answer& answer);
  bool AnswerAsTold(roster::v1::Answer& answer);
  void Set(Account& account, const roster::v1::SetItem& ask, roster::v1::Answer& answer);
  void Remove(Account& account, const roster::v1::RemoveItem& ask, roster::v1::Answer& answer);
  void Apply(Account& account, const roster::v1::ApplySubscription& ask, roster::v1::Answer& answer);
  void Store(Account& account, const roster::v1::StoreOffline& ask, roster::v1::Answer& answer);
  void Fetch(Account& account, const roster::v1::FetchOffline& ask, roster::v1::Answer& answer);
  Account* Find(const std::string& owner, roster::v1::Answer& answer);
  bool Refused(const std::string& owner, const std::string& contact, const Item& item) const;

  void OnUp(rpc::Link&) override {}
  void OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope>, rpc::Receipt) override {}
  void OnRefused(rpc::Link&, rpc::Held, rpc::RefusalReason) override {}
  void OnRequest(rpc::Link& link, const std::string& body, Respond respond) override;
  void OnDraining(rpc::Link&) override {}
  void OnWritable(rpc::Link&) override {}
  void OnDown(rpc::Link&, std::vector<rpc::Held>) override {}

  std::map<std::string, Account> accounts_;
  std::map<std::string, std::string> passwords_;
  std::vector<std::string> asked_;
  std::int64_t next_id_ = 1;
  std::size_t quota_ = 100;
  std::optional<roster::v1::ItemChange> next_set_;
  std::function<Result<std::string>()> answer_all_;
  bool broken_ = false;
  std::string unstorable_;
  int until_broken_ = -1;
  int doubted_ = 0;
  std::string last_ask_;  // of those: its repeat gets the answer that it would have had
  std::string last_answer_;
  bool holding_ = false;
  std::string holding_kind_;
  std::vector<std::pair<std::string, Respond>> held_;
  rpc::Server server_;
};

}  // namespace parley::router::testing
