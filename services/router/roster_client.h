#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libs/base/result.h"
#include "libs/base/task.h"
#include "libs/rpc/ring.h"
#include "parley/roster/v1/roster.pb.h"
#include "services/router/metrics.h"
#include "services/router/options.h"

namespace parley::router {

// What presence needs of a roster item.
struct Contact {
  std::string jid;
  roster::v1::Subscription subscription = roster::v1::SUBSCRIPTION_NONE;
  bool pending_in = false;
  bool refused = false;  // we are not in its roster (roster.v1.Item)

  // The contact gets the user's presence.
  bool subscribed_to_us() const {
    return subscription == roster::v1::SUBSCRIPTION_FROM || subscription == roster::v1::SUBSCRIPTION_BOTH;
  }
  // The user gets the contact's presence.
  bool we_subscribed() const {
    return subscription == roster::v1::SUBSCRIPTION_TO || subscription == roster::v1::SUBSCRIPTION_BOTH;
  }
};

// A roster as presence sees it. Names and groups stay with the roster service.
class Contacts {
 public:
  Contacts() = default;
  explicit Contacts(const roster::v1::Roster& roster);
  const std::vector<Contact>& all() const { return contacts_; }
  const Contact* Find(std::string_view jid) const;
  bool SubscribedToUs(std::string_view jid) const;
  bool any_pending_in() const;
  void Apply(const roster::v1::Item& item, bool removed);

 private:
  std::vector<Contact> contacts_;  // sorted by JID
};

// On whose behalf it is asked: for traces and logs.
void Concern(const rpc::Envelope& stanza, roster::v1::Ask& ask);

// Asks of the roster service, and the rosters that were read lately. A cached roster is as good as the account's
// sessions: whoever changes it at another router makes this one forget both (SessionStore::Touch).
class RosterClient final : private rpc::Ring::Owner {
 public:
  using ContactsPtr = std::shared_ptr<const Contacts>;

  RosterClient(Loop& loop, const rpc::Self& self, rpc::Ring::Options ring, const Options& options, Metrics& metrics);

  enum class Change {
    kFirst,
    kFollows,  // from what is done and cannot be taken back
  };
  // PROBLEM_STORE also when no roster service answers in time, or it refuses the ask (another release's). A change that
  // may have been made, or that follows from one, is asked for until it is known, at most for
  // router.roster_doubt_timeout: never PROBLEM_IN_DOUBT. Meanwhile OnDoubt's hook is called between the tries: most
  // asks hold the owner's turn. `abandoned`: may be null; whether nobody waits for it any more. Then it is not asked
  // again.
  Task<roster::v1::Answer> Ask(std::string owner, roster::v1::Ask ask, Change change = Change::kFirst,
                               std::function<bool()> abandoned = nullptr);
  // The same, but an error where no roster service answers in time, or it refuses the ask.
  Task<Result<roster::v1::Answer>> TryAsk(std::string owner, roster::v1::Ask ask, Change change = Change::kFirst,
                                          std::function<bool()> abandoned = nullptr);
  using Doubted = std::function<Task<void>(const std::string& owner, const roster::v1::Ask& ask)>;
  void OnDoubt(Doubted hook) { on_doubt_ = std::move(hook); }
  // Of an account without a roster (anonymous, removed): empty.
  Task<Result<ContactsPtr, roster::v1::Problem>> Get(std::string owner);
  ContactsPtr Cached(const std::string& owner);
  void Remember(const std::string& owner, const roster::v1::Roster& roster);
  // After a change that this router made.
  void Apply(const std::string& owner, const roster::v1::Item& item, bool removed);
  void Forget(const std::string* owner);

  bool available() const { return ring_.available(); }
  // It was away: until there is one to be asked again.
  Task<void> MayBeBack();
  std::vector<const rpc::Link*> links() const { return ring_.links(); }
  void AnnounceDraining() { ring_.AnnounceDraining(); }

 private:
  struct Entry;
  using Lru = std::list<Entry>;
  struct Entry {
    std::string owner;
    std::shared_ptr<Contacts> contacts;
  };

  Task<Result<roster::v1::Answer>> AskOnce(std::string owner, const roster::v1::Ask& ask,
                                           std::chrono::milliseconds timeout);
  void GiveUpDoubt(const std::string& owner);
  void Store(const std::string& owner, std::shared_ptr<Contacts> contacts);

  void OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope>, rpc::Receipt) override {}
  void OnRequest(rpc::Link&, const std::string&, rpc::LinkHandler::Respond respond) override;
  void OnUndeliverable(rpc::Held, rpc::RefusalReason) override {}
  void OnAvailability(bool available) override;
  void OnWritable() override {}

  Options options_;
  Metrics& metrics_;
  rpc::Ring ring_;
  Doubted on_doubt_;
  Lru lru_;                                                    // most recently used first
  std::unordered_map<std::string_view, Lru::iterator> cache_;  // keys point into the entries
};

}  // namespace parley::router
