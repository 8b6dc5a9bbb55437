#include "services/roster/service.h"

#include <memory>
#include <utility>

#include "libs/base/ids.h"
#include "services/roster/settings.h"

namespace parley::roster {
namespace {

constexpr std::chrono::seconds kForgetPeriod{30};
constexpr std::chrono::milliseconds kDrainCheck{100};
constexpr int kQuietChecks = 5;  // what was on its way when we said that we stop has arrived by then

rpc::LinkOptions LinksOf(const config::Config& config, telemetry::Metrics& metrics) {
  rpc::LinkOptions options = config.link;
  options.metrics = &metrics;
  options.security = rpc::Security::Make(config.mtls, config.access);
  return options;
}

template <class Store>
Forgetter::Forget Forgetting(Store& store) {
  return [&store](std::chrono::milliseconds age, Forgetter::Reply reply) { store.Forget(age, std::move(reply)); };
}

}  // namespace

Service::Service(Loop& loop, const config::Config& config, telemetry::Metrics& metrics)
    : tracer_(config.tracing, "roster", config.cluster.instance, metrics),
      postgres_(loop, PostgresOf(config.postgres), PrepareConnection),
      postgres_metrics_(loop, metrics, postgres_),
      database_(postgres_, metrics),
      rosters_(database_, RosterLimitsOf(config.roster)),
      offline_(database_, OfflineLimitsOf(config.roster)),
      writer_(loop, offline_, WriterOf(config), metrics),
      taken_forgetter_(loop, Forgetting(offline_), config.roster.repeat_memory, kForgetPeriod),
      asks_forgetter_(loop, Forgetting(rosters_), config.roster.repeat_memory, kForgetPeriod),
      account_store_(database_),
      keys_(loop, KeyPoolOf(config.roster), metrics),
      accounts_(account_store_, keys_, AccountsOf(config)),
      transfer_(database_, keys_, TransferOf(config), metrics),
      surveyor_(loop, account_store_, config.roster.credential_survey,
                [this](IterationSurvey survey) { OnSurveyed(std::move(survey)); }),
      foundation_(loop, postgres_, FoundationOf(config),
                  [this](std::string secret) {
                    secret_ = std::move(secret);
                    surveyor_.Start();
                  }),
      asks_(rosters_, offline_, writer_, metrics, tracer_),
      accounts_service_(accounts_, metrics),
      server_(loop, rpc::Self{"roster", config.cluster.instance, RandomId()}, config.roster.listen,
              LinksOf(config, metrics), Methods(), &asks_),
      certificate_gauge_(loop, metrics, config.mtls),
      loop_(loop) {}

rpc::Methods Service::Methods() {
  auto methods = accounts_service_.methods();
  transfer_.AddTo(methods);
  return methods;
}

// No credential is given before it is known what unknown users have to look like.
void Service::OnSurveyed(IterationSurvey survey) {
  accounts_.SetSurvey(std::move(survey));
  if (!secret_.empty()) accounts_.SetSecret(std::exchange(secret_, {}));
}

std::string Service::Missing() const {
  if (auto missing = foundation_.Missing(); !missing.empty()) return missing;
  return accounts_.gives_credentials() ? "" : "the accounts' iteration counts are being read";
}

void Service::Drain(std::function<void()> done) {
  server_.AnnounceDraining();
  const auto quiet = std::make_shared<int>(0);
  drain_timer_ = loop_.Every(kDrainCheck, [this, quiet, done = std::move(done)] {
    const bool idle = asks_.under_way() == 0 && accounts_service_.under_way() == 0;
    *quiet = idle ? *quiet + 1 : 0;
    if (*quiet == kQuietChecks) done();
  });
}

}  // namespace parley::roster
