// How a router finds the session that a stanza is for, and how an edge does: in their own tables.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/micro/cluster.h"
#include "bench/micro/workloads.h"
#include "libs/storage/redis.h"
#include "libs/telemetry/metrics.h"
#include "libs/xmpp/jid.h"
#include "services/c2s/session/session.h"
#include "services/c2s/session/session_table.h"
#include "services/router/account_table.h"

namespace parley::bench {
namespace {

constexpr int kAccounts = 10000;
constexpr int kSessions = 1000;

std::string User(int number) { return "bench" + std::to_string(number) + "@localhost"; }

// Of numbers with four digits: names of one length, the same work each time.
int After(int number) { return (number + 7) % 1000 + 1000; }

// A router's accounts, in memory and read, with three sessions each. What comes for one of them is not handled further
// than to its session.
class Accounts final : router::StanzaHandler {
 public:
  static Accounts& The() {
    static Accounts accounts;
    return accounts;
  }
  void Address(const std::string& to) { held_.envelope->set_to(to); }
  // As the router's Intake and Delivery do it.
  void LookUp() {
    const std::string_view account = xmpp::BareOf(held_.envelope->to());
    table_.Post(account, std::move(held_));
  }

 private:
  Accounts() {
    table_.SetHandler(*this);
    auto& cluster = Cluster::The();
    cluster.Until([this] { return store_.up(); });
    for (int i = 0; i < kAccounts; ++i) Read(User(i));
    cluster.Until([this] { return !table_.busy(); });
    held_.envelope = rpc::NewEnvelope();
  }
  void Read(const std::string& user) {
    router::Job job;
    job.load = [user] { return Sessions(user); };
    job.run = [](router::Account&) { return Nothing(); };
    table_.Post(user, std::move(job));
  }
  static Task<Result<router::SessionStore::Loaded>> Sessions(std::string user) {
    router::SessionStore::Loaded loaded;
    for (const char* resource : {"phone", "desk", "bench"}) {
      auto& record = loaded.sessions.emplace_back();
      record.set_resource(resource);
      record.set_session(user + resource);
    }
    co_return loaded;
  }
  static Task<void> Nothing() { co_return; }

  bool HandleNow(router::Account& account, rpc::Held& held) override {
    Keep(account.WithResource(xmpp::ResourceOf(held.envelope->to()))->id());
    held_ = std::move(held);
    return true;
  }
  Task<void> Handle(router::Account&, rpc::Held) override { co_return; }
  Task<void> AfterLoad(router::Account&) override { co_return; }
  bool MayGetBack(const router::Account&) const override { return false; }
  void Unreachable(rpc::Held) override {}

  Loop& loop_ = Cluster::The().loop();
  router::Options options_;
  telemetry::Metrics registry_;
  router::Metrics metrics_{registry_};
  storage::Redis redis_{loop_, Cluster::The().redis()};
  router::SessionStore store_{tasks_, redis_, options_, metrics_};
  router::AccountTable table_{tasks_, store_, options_, metrics_, [](const std::string*) {}};
  rpc::Held held_;
  Tasks tasks_{loop_};  // its end ends what uses the others
};

Workload InRouter() {
  auto turn = std::make_shared<int>(0);
  return {"session_lookup", [] { Accounts::The().LookUp(); },
          [turn](const auto& counted) {
            *turn = After(*turn);
            Accounts::The().Address(User(*turn) + "/bench");
            counted();
          }};
}

// An edge's sessions, with the ids that a router names.
struct Sessions {
  static Sessions& The() {
    static Sessions sessions;
    return sessions;
  }
  Sessions() {
    const c2s::Identity identity{.account = *xmpp::Jid::Parse(User(0)), .mechanism = "PLAIN"};
    for (int i = 0; i < kSessions; ++i) {
      ids.push_back("abcdefghijklmnopqr" + std::to_string(1000 + i));  // as long as they are, the same each time
      table.Add(std::make_shared<c2s::Session>(Cluster::The().context(), nullptr, identity, ids.back()));
    }
  }

  std::vector<std::string> ids;
  c2s::SessionTable table;
};

Workload AtEdge() {
  auto turn = std::make_shared<int>(0);
  return {"edge_lookup", [turn] {
            const auto& sessions = Sessions::The();
            *turn = After(*turn);
            Keep(sessions.table.Find(sessions.ids[static_cast<std::size_t>(*turn) % kSessions])->id());
          }};
}

}  // namespace

std::vector<Workload> LookupWorkloads() { return {InRouter(), AtEdge()}; }

}  // namespace parley::bench
