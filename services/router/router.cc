#include "services/router/router.h"

#include <memory>
#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "services/router/admin_methods.h"
#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kDrainCheck{50};
constexpr int kQuietChecks = 10;  // what was on its way when we said that we stop has arrived by then

Options OptionsOf(const config::Config& config) {
  const auto& router = config.router;
  Options options;
  options.instance = config.cluster.instance;
  options.max_resources = router.max_resources_per_account;
  options.max_accounts = router.max_accounts_cached;
  options.max_rosters = router.max_rosters_cached;
  options.max_mailbox = router.max_mailbox;
  options.max_deferred = router.max_deferred;
  options.remember_diverted = router.remember_diverted;
  options.remember_left = router.remember_left;
  options.remember_queues = router.remember_queues;
  options.remember_nodes = router.remember_nodes;
  options.max_doubtful_queues = router.max_doubtful_queues;
  options.max_parked = router.max_parked;
  options.max_directed = static_cast<int>(router.max_directed);
  options.offline_batch = router.offline_batch;
  options.recheck_stored = router.recheck_stored;
  options.max_storing = router.max_storing;
  options.roster_timeout = router.roster_timeout;
  options.roster_doubt_timeout = router.roster_doubt_timeout;
  options.delivery_timeout = router.delivery_timeout;
  options.settle_wait = config.c2s.sm_settle_wait;
  options.unsaved_retry = router.unsaved_retry;
  options.edge_timeout = router.edge_timeout;
  options.join_timeout = router.join_timeout;
  options.redis_patience = router.redis_patience;
  options.redis_return = router.redis_return;
  options.redis_return_max = router.redis_return_max;
  options.reap_claim = router.reap_claim;
  options.reap_search = router.reap_search;
  options.reap_retry = router.reap_retry;
  options.handover_timeout = router.handover_timeout;
  options.link_silence = config.link.keepalive + 2 * config.link.keepalive_timeout;  // Http2Connection::CheckPeer
  options.standstill = config.link.keepalive_timeout / 2;
  options.sm_orphan_grace = router.sm_orphan_grace;
  options.sm_remember_queue = router.sm_remember_queue;
  options.sm_remember_ended = router.sm_remember_ended;
  options.sm_remember_acknowledged = router.sm_remember_acknowledged;
  options.sm_remember_ends = router.sm_remember_ends;
  options.sm_max_stanzas = config.c2s.sm_max_stanzas;
  options.sm_max_bytes = config.c2s.sm_max_bytes;
  options.reap_batch = router.reap_batch;
  options.bind_retry_min = router.bind_retry_min;
  options.bind_retry_max = router.bind_retry_max;
  options.bind_timeout = router.bind_timeout;
  options.admin_timeout = router.admin_timeout;
  options.max_bans = config.c2s.max_bans;
  options.drain_timeout = router.drain_timeout;
  return options;
}

rpc::LinkOptions LinksOf(const config::Config& config, telemetry::Metrics& metrics) {
  rpc::LinkOptions options = config.link;
  options.metrics = &metrics;
  options.security = rpc::Security::Make(config.mtls, config.access);
  return options;
}

rpc::Ring::Options RingOf(const config::Config& config, const rpc::LinkOptions& links, const std::string& service) {
  rpc::Ring::Options options;
  options.discovery.targets = service == "router" ? config.cluster.routers : config.cluster.rosters;
  options.discovery.refresh = config.cluster.discovery_interval;
  options.no_replica_timeout = config.router.no_replica_timeout;
  options.link = links;
  options.service = service;
  return options;
}

rpc::AccountsClient::Options CredentialsOf(const config::Config& config, const rpc::LinkOptions& links) {
  rpc::AccountsClient::Options options;
  options.link = links;
  options.rosters.targets = config.cluster.rosters;
  options.rosters.refresh = config.cluster.discovery_interval;
  options.timeout = config.router.roster_timeout;
  return options;
}

Nodes::Options NodesOf(const config::Config& config) {
  Nodes::Options options;
  options.lease.ttl = config.c2s.lease_ttl;
  options.lease.refresh = config.c2s.lease_refresh;
  options.poll = config.router.lease_poll;
  options.restore_grace = config.router.restore_grace;
  return options;
}

}  // namespace

Router::Router(Loop& loop, const config::Config& config, telemetry::Metrics& metrics)
    : loop_(loop),
      options_(OptionsOf(config)),
      self_{"router", config.cluster.instance, RandomId()},
      links_(LinksOf(config, metrics)),
      metrics_(metrics),
      tracer_(config.tracing, "router", config.cluster.instance, metrics),
      domains_(config.hosts),
      redis_(loop, config.redis),
      redis_metrics_(loop, metrics, redis_),
      store_(tasks_, redis_, options_, metrics_),
      rosters_(loop, self_, RingOf(config, links_, "roster"), options_, metrics_),
      credentials_(loop, CredentialsOf(config, links_)),
      accounts_(tasks_, store_, options_, metrics_, [this](const std::string* bare) { rosters_.Forget(bare); }),
      nodes_(loop, redis_, NodesOf(config), [this](const Nodes::Node& node) { OnNodeDied(node); }),
      edges_(loop, nodes_, options_, metrics_, rules_),
      sender_(edges_, peers_, domains_, metrics_),
      fanout_(sender_),
      pushes_(sender_, rosters_, accounts_),
      spool_(loop, tasks_, accounts_, sender_, rosters_, options_),
      orphan_queues_(store_, metrics_, options_),
      offline_(Offline::Parts{tasks_, accounts_, sender_, rosters_, spool_, orphan_queues_, store_}, options_),
      delivery_(sender_, offline_, spool_, options_),
      past_(store_, metrics_, options_),
      unanswered_(Unanswered::Parts{tasks_, store_, past_, sender_, metrics_}),
      unacknowledged_(Unacknowledged::Parts{loop, tasks_, accounts_, store_, past_, unanswered_, metrics_}, options_),
      sessions_(Sessions::Parts{tasks_, accounts_, store_, nodes_, edges_, sender_, rosters_, fanout_, unacknowledged_,
                                unanswered_, metrics_, redis_watch_,
                                [this](Account& account, std::string session) {
                                  return presence_.Resume(account, session, Presence::Absence::kNoticed);
                                }},
                options_),
      orphans_(Orphans::Parts{tasks_, accounts_, store_, nodes_, edges_, sender_, delivery_, sessions_, past_,
                              unacknowledged_, orphan_queues_, offline_, pushes_, metrics_},
               options_),
      stranded_(Stranded::Parts{edges_, sender_, store_, unacknowledged_, delivery_, metrics_}),
      presence_(Presence::Parts{tasks_, accounts_, sender_, rosters_, sessions_, fanout_, offline_, stranded_},
                options_),
      subscriptions_(Subscriptions::Parts{sender_, rosters_, store_, fanout_, pushes_}),
      removal_(AccountRemoval::Parts{rosters_, store_, subscriptions_, fanout_, credentials_}),
      iqs_(sender_, rosters_,
           AllFeatures(FeatureDeps{domains_,
                                   accounts_,
                                   sessions_,
                                   store_,
                                   rosters_,
                                   spool_,
                                   pushes_,
                                   fanout_,
                                   subscriptions_,
                                   removal_,
                                   credentials_,
                                   operations_,
                                   {}})),
      rules_(Rules::Parts{accounts_, sender_, sessions_, orphans_, store_, unacknowledged_, spool_, offline_, delivery_,
                          presence_, subscriptions_, iqs_, metrics_}),
      resumption_(Resumption::Parts{accounts_, store_, edges_, sessions_, orphans_, presence_, metrics_}),
      asks_(SessionAsks::Parts{tasks_, accounts_, sessions_, presence_, resumption_, metrics_, redis_watch_}, options_),
      intake_(accounts_, edges_, peers_, asks_, metrics_, tracer_),
      peers_(loop, self_, RingOf(config, links_, "router"),
             Peers::Handlers{
                 [this](auto envelope, auto receipt) { intake_.Take(std::move(envelope), std::move(receipt)); },
                 [this](auto held, auto reason) { rules_.OnUnforwardable(std::move(held), reason); },
                 [this](const auto& body, auto respond) { asks_.Answer(body, std::move(respond)); }}),
      redis_watch_(loop, redis_, peers_, options_, metrics_, {[this] { Leave(); }, [this] { ComeBack(); }}),
      reaper_(loop, tasks_, redis_, nodes_, peers_, options_, metrics_),
      operations_(AdminOperations::Parts{tasks_, redis_, store_, nodes_, edges_, sender_, accounts_, peers_, rosters_,
                                         removal_, self_},
                  options_),
      tasks_(loop),
      server_(loop, self_, config.router.listen, links_, AdminMethods(operations_), &intake_, rpc::Standing::kStarting),
      joining_(loop, nodes_, peers_, server_, options_, metrics_, [this] { peers_.Announce(rpc::Standing::kServing); }),
      certificate_gauge_(loop, metrics, config.mtls) {
  accounts_.SetHandler(rules_);
  rosters_.OnDoubt([this](const std::string& owner, const roster::v1::Ask& ask) { return LetIn(owner, ask); });
  redis_.Track([this](const std::string* key) { OnChanged(key); });
  redis_.OnState([this](bool up) {
    log::Info(up ? "redis_up" : "redis_down");
    if (up) orphan_queues_.RedisAnswers();
    if (up) store_.OnRedisUp();
    OnChanged(nullptr);  // what was read before has not been watched over since
    if (up) offline_.OnRedisUp();
  });
  peers_.Announce(rpc::Standing::kStarting);
  joining_.Begin();
}

// What is still held was not acknowledged: it stays with those who sent it.
Router::~Router() { store_.Close(); }

void Router::OnChanged(const std::string* key) {
  if (key == nullptr) store_.index().ForgetNodes();
  accounts_.Invalidate(key);
}

void Router::OnNodeDied(const Nodes::Node& node) {
  edges_.OnNodeDied(node);
  reaper_.OnNodeDied(node);
}

std::string Router::MissingRedis() const {
  if (redis_watch_.away()) return "it has left the ring, as Redis answers other routers alone";
  return redis_.up() ? "" : "Redis cannot be reached";
}

std::string Router::MissingPeers() const {
  return joining_.joining() ? "it waits until all edges and routers are connected to it" : "";
}

// What we hold comes to those that take over from its senders, whose links to us break.
void Router::Leave() {
  joining_.Stop();
  asks_.Abandon();
  accounts_.DoubtUnsaved();
  peers_.Announce(rpc::Standing::kAway);
  server_.Announce(rpc::Standing::kAway);
}

void Router::ComeBack() {
  OnChanged(nullptr);
  joining_.Begin();
}

// Messages are stored beside the account's turn: that may be another's.
Task<void> Router::LetIn(const std::string& owner, const roster::v1::Ask& ask) {
  if (ask.has_store_offline() && !spool_.MayLetIn(ask.store_offline())) co_return;
  co_await accounts_.LetIn(owner);
}

bool Router::Idle() {
  edges_.Hurry();
  peers_.Hurry();
  return !accounts_.busy() && accounts_.waiting() == 0 && spool_.idle() && edges_.unacknowledged() == 0 &&
         peers_.unacknowledged() == 0;
}

void Router::Drain(std::function<void()> done) {
  redis_watch_.Stop();
  reaper_.Stop();
  joining_.Stop();
  server_.AnnounceDraining([this] { peers_.AnnounceDraining(); });
  const auto quiet = std::make_shared<int>(0);
  drain_timer_ = loop_.Every(kDrainCheck, [this, quiet, done = std::move(done)] {
    *quiet = Idle() ? *quiet + 1 : 0;
    if (*quiet == kQuietChecks) done();
  });
}

}  // namespace parley::router
