#include "services/roster/settings.h"

#include "services/roster/database.h"

namespace parley::roster {
namespace {

std::set<std::string> DomainsOf(const config::Config& config) {
  std::set<std::string> domains;
  for (const auto& host : config.hosts) domains.insert(host.domain);
  return domains;
}

}  // namespace

storage::PostgresOptions PostgresOf(const config::Postgres& config) {
  return WithSession({.host = config.host,
                      .port = config.port,
                      .database = config.database,
                      .user = config.user,
                      .password = config.password,
                      .tls = config.tls,
                      .ca_file = config.ca_file,
                      .certificate_file = config.certificate_file,
                      .key_file = config.key_file,
                      .connections = config.connections,
                      .read_connections = config.read_connections,
                      .max_queue = config.max_queue,
                      .connect_timeout = config.connect_timeout,
                      .statement_timeout = config.statement_timeout,
                      .reconnect = config.reconnect});
}

RosterLimits RosterLimitsOf(const config::Roster& config) {
  return {.max_items = config.max_items,
          .max_bytes = config.max_roster_bytes,
          .max_groups = config.max_groups,
          .max_name_bytes = config.max_name_bytes,
          .max_pending_in = config.max_pending_in,
          .max_pending_bytes = config.max_pending_bytes,
          .history = config.roster_history,
          .max_changes = config.roster_max_changes};
}

OfflineLimits OfflineLimitsOf(const config::Roster& config) {
  return {.max_messages = config.max_offline_messages, .max_bytes = config.max_offline_bytes};
}

WriterOptions WriterOf(const config::Config& config) {
  WriterOptions options;
  options.batch = config.roster.write_batch;
  options.batch_bytes = config.roster.write_batch_bytes;
  options.max_queue = config.postgres.max_queue;
  return options;
}

AccountOptions AccountsOf(const config::Config& config) {
  AccountOptions options;
  options.domains = DomainsOf(config);
  options.iterations = config.roster.scram_iterations;
  options.max_password_bytes = config.roster.max_password_bytes;
  return options;
}

KeyPoolOptions KeyPoolOf(const config::Roster& config) {
  return {.iterations = config.scram_iterations, .max_queue = config.max_passwords_queued};
}

TransferOptions TransferOf(const config::Config& config) {
  return {.domains = DomainsOf(config),
          .roster = RosterLimitsOf(config.roster),
          .offline = OfflineLimitsOf(config.roster),
          .max_password_bytes = config.roster.max_password_bytes};
}

FoundationOptions FoundationOf(const config::Config& config) {
  return {.migrate = config.roster.migrate, .domains = DomainsOf(config)};
}

}  // namespace parley::roster
