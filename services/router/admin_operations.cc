#include "services/router/admin_operations.h"

#include <set>

#include "libs/base/log.h"
#include "libs/base/version.h"
#include "libs/storage/lease.h"
#include "libs/storage/orders.h"
#include "libs/storage/redis_await.h"
#include "libs/xmpp/jid.h"
#include "parley/session/v1/session.pb.h"

namespace parley::router {
namespace {

admin::v1::Member MemberOf(const std::string& service, const std::string& instance, const std::string& epoch) {
  admin::v1::Member member;
  member.set_service(service);
  member.set_instance(instance);
  member.set_epoch(epoch);
  member.set_state("ready");
  return member;
}

// Of those that this router dials.
admin::v1::Member MemberOf(const std::string& service, const rpc::Link& link) {
  auto member = MemberOf(service, link.peer().instance, link.peer().epoch);
  member.set_address(link.peer().address);
  member.set_version(link.peer().version);
  member.set_waiting(link.unacknowledged() + link.asking());
  return member;
}

}  // namespace

// One listing under way: what it is limited to.
class AdminOperations::Listing {
 public:
  Listing(admin::v1::ListSessionsRequest request, Row row) : request_(std::move(request)), row_(std::move(row)) {}

  // An account once, though it may have sessions on several nodes.
  bool Wants(const std::string& account) {
    if (!request_.domain().empty() && xmpp::DomainOf(account) != request_.domain()) return false;
    return seen_.insert(account).second;
  }
  // False: enough.
  bool Give(const std::string& account, Record record) {
    if (request_.limit() != 0 && given_ >= request_.limit()) return false;
    ++given_;
    admin::v1::SessionRow row;
    row.set_available(!record.presence().empty());
    record.clear_directed();  // whom a user meets is nobody's business
    record.clear_presence();
    row.set_account(account);
    *row.mutable_record() = std::move(record);
    return row_(std::move(row));
  }

 private:
  admin::v1::ListSessionsRequest request_;
  Row row_;
  std::set<std::string> seen_;
  std::uint32_t given_ = 0;
};

void AdminOperations::ListSessions(const admin::v1::ListSessionsRequest& request, Row row, Done done) {
  parts_.tasks.Spawn("list_sessions", List(request, std::move(row), std::move(done)));
}

Task<void> AdminOperations::List(admin::v1::ListSessionsRequest request, Row row, Done done) {
  Listing listing(request, std::move(row));
  if (!request.account().empty()) {
    const auto jid = xmpp::Jid::Parse(request.account());
    if (jid) co_await ListAccount(listing, std::string(jid->bare()));
    done(jid ? "" : "not an address");
    co_return;
  }
  if (!parts_.redis.up()) {
    done("Redis cannot be reached");
    co_return;
  }
  // Of dead nodes, too: their sessions may yet be resumed.
  std::vector<std::string> words{"SMEMBERS", kIndexedNodes};
  const auto names = co_await storage::AwaitCommand(parts_.redis, std::move(words));
  if (!names) {
    done("Redis cannot be reached");
    co_return;
  }
  for (const auto& name : names->items) {
    auto node = ParseNodeName(name.text);
    if (!node) continue;
    const bool more = co_await ListNode(listing, std::move(*node));
    if (!more) break;
  }
  done("");
}

Task<bool> AdminOperations::ListNode(Listing& listing, Nodes::Node node) {
  std::string cursor = "0";
  do {
    std::vector<std::string> words{"SSCAN", storage::NodeSessionsKey(node.instance, node.epoch), cursor, "COUNT",
                                   "200"};
    const auto page = co_await storage::AwaitCommand(parts_.redis, std::move(words));
    if (!page || page->items.size() != 2) co_return true;
    cursor = page->items[0].text;
    for (const auto& item : page->items[1].items) {
      std::string account(xmpp::BareOf(ParseIndexMember(item.text).jid));
      if (!listing.Wants(account)) continue;
      const bool more = co_await ListAccount(listing, std::move(account));
      if (!more) co_return false;
    }
  } while (cursor != "0");
  co_return true;
}

Task<bool> AdminOperations::ListAccount(Listing& listing, std::string account) {
  auto loaded = co_await parts_.store.Load(account);
  if (!loaded) co_return true;
  for (auto& record : loaded->sessions) {
    if (!listing.Give(account, std::move(record))) co_return false;
  }
  co_return true;
}

void AdminOperations::Kick(const std::string& account, const std::string& resource, const std::string& condition,
                           std::function<void(std::uint32_t)> done) {
  session::v1::Ask ask;
  ask.mutable_kick()->set_account(account);
  ask.mutable_kick()->set_resource(resource);
  ask.mutable_kick()->set_condition(condition);
  parts_.peers.Ask(account, ask.SerializeAsString(), options_.admin_timeout,
                   [done = std::move(done)](const Result<std::string>& body) {
                     session::v1::Answer answer;
                     if (body) answer.ParseFromString(*body);
                     done(answer.kicked().sessions());
                   });
}

void AdminOperations::KickSessions(const admin::v1::KickSessionsRequest& request,
                                   std::function<void(admin::v1::KickSessionsResponse)> done) {
  const auto jid = xmpp::Jid::Parse(request.account());
  if (!jid) return done({});
  log::Info("sessions_kicked", {{"account", jid->bare()}});
  const std::string resource = request.resource().empty() ? std::string(jid->resource()) : request.resource();
  Kick(std::string(jid->bare()), resource, "policy-violation", [done = std::move(done)](std::uint32_t sessions) {
    admin::v1::KickSessionsResponse response;
    response.set_kicked(sessions);
    done(std::move(response));
  });
}

void AdminOperations::RemoveAccount(const std::string& account,
                                    std::function<void(admin::v1::RemoveAccountResponse)> done) {
  const auto jid = xmpp::Jid::Parse(account);
  admin::v1::RemoveAccountResponse refused;
  if (!jid || jid->local().empty()) {
    refused.set_failure("not the address of an account");
    return done(std::move(refused));
  }
  refused.set_failure("the account's sessions cannot be read");
  AccountTable::Job job;
  job.run = [this, done](Account& a) { return Remove(a, done); };
  job.failed = [done, refused] { done(refused); };
  parts_.accounts.Post(jid->bare(), std::move(job));
}

Task<void> AdminOperations::Remove(Account& account, std::function<void(admin::v1::RemoveAccountResponse)> done) {
  const auto removed = co_await parts_.removal.Remove(account, Receipt());
  admin::v1::RemoveAccountResponse response;
  if (!removed) response.set_failure(removed.error().message());
  if (removed && *removed == rpc::AccountProblem::kStore) response.set_failure("PostgreSQL cannot be reached");
  response.set_existed(removed && *removed == rpc::AccountProblem::kNone);
  if (!response.failure().empty()) {
    done(response);
    co_return;
  }
  // At its home, which need not be here.
  Kick(account.bare(), {}, "not-authorized", [done, response](std::uint32_t) { done(response); });
}

void AdminOperations::ListMembers(std::function<void(admin::v1::ListMembersResponse)> done) {
  parts_.tasks.Spawn("list_members", Members(std::move(done)));
}

// 0 if Redis does not say.
Task<std::uint64_t> AdminOperations::Count(std::vector<std::string> words) {
  const auto count = co_await storage::AwaitCommand(parts_.redis, std::move(words));
  co_return count ? static_cast<std::uint64_t>(count->integer) : 0;
}

// In the indexes of dead edges, and of sessions that were let go of: what may yet be resumed.
Task<std::uint64_t> AdminOperations::CountOrphans(std::set<std::string> alive) {
  std::vector<std::string> words{"SMEMBERS", kIndexedNodes};
  const auto indexed = co_await storage::AwaitCommand(parts_.redis, std::move(words));
  std::uint64_t orphans = 0;
  if (!indexed) co_return orphans;
  for (const auto& item : indexed->items) {
    const auto node = ParseNodeName(item.text);
    if (!node || alive.contains(item.text)) continue;
    std::vector<std::string> card{"SCARD", storage::NodeSessionsKey(node->instance, node->epoch)};
    const auto count = co_await Count(std::move(card));
    orphans += count;
  }
  co_return orphans;
}

Task<admin::v1::Member> AdminOperations::Edge(Nodes::Node node) {
  auto member = MemberOf("c2s", node.instance, node.epoch);
  if (const auto* link = parts_.edges.LinkOf(node.instance)) member.set_version(link->peer().version);
  member.set_waiting(parts_.edges.unacknowledged(node.instance));
  const std::string name = node.instance + "/" + node.epoch;
  std::vector<std::string> card{"SCARD", storage::NodeSessionsKey(node.instance, node.epoch)};
  const auto sessions = co_await Count(std::move(card));
  member.set_sessions(sessions);
  std::vector<std::string> score{"ZSCORE", storage::kNodesKey, name};
  const auto lapses = co_await storage::AwaitCommand(parts_.redis, std::move(score));
  std::vector<std::string> time{"TIME"};
  const auto now = co_await storage::AwaitCommand(parts_.redis, std::move(time));
  if (lapses && !lapses->is_nil() && now && now->items.size() == 2) {
    const auto ms = std::stoll(now->items[0].text) * 1000 + std::stoll(now->items[1].text) / 1000;
    member.set_lease_ms(static_cast<std::int64_t>(std::stod(lapses->text)) - ms);
  }
  std::vector<std::string> ordered{"SISMEMBER", storage::kDrainKey, node.instance};
  const auto draining = co_await storage::AwaitCommand(parts_.redis, std::move(ordered));
  if (draining && draining->integer == 1) member.set_state("draining");
  co_return member;
}

Task<void> AdminOperations::Members(std::function<void(admin::v1::ListMembersResponse)> done) {
  admin::v1::ListMembersResponse response;
  const auto edges = parts_.nodes.alive();
  std::set<std::string> alive;
  for (const auto& node : edges) {
    alive.insert(node.instance + "/" + node.epoch);
    auto member = co_await Edge(node);
    *response.add_members() = std::move(member);
  }
  const auto orphans = co_await CountOrphans(std::move(alive));
  response.set_orphans(orphans);
  std::vector<std::string> card{"ZCARD", storage::kBansKey};
  const auto bans = co_await Count(std::move(card));
  response.set_bans(bans);
  auto& self = *response.add_members();
  self = MemberOf("router", parts_.self.instance, parts_.self.epoch);
  self.set_version(Version());
  self.set_waiting(parts_.accounts.waiting());
  for (const auto* link : parts_.peers.links()) {
    if (link->peer().instance != parts_.self.instance) *response.add_members() = MemberOf("router", *link);
  }
  for (const auto* link : parts_.rosters.links()) *response.add_members() = MemberOf("roster", *link);
  done(std::move(response));
}

}  // namespace parley::router
