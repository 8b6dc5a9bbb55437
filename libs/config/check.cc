#include <fstream>
#include <utility>

#include "libs/config/parse.h"
#include "libs/net/tls.h"
#include "libs/tracing/http_post.h"
#include "libs/xmpp/jid.h"

namespace parley::config {
namespace {

// A rule between values; `key` is the one to change.
void Require(const Parsed& parsed, bool holds, std::string_view key, const std::string& remedy) {
  if (holds) return;
  const auto place = parsed.places.find(key);
  throw Problem((place == parsed.places.end() ? "" : place->second + ": ") + std::string(key) + " " + remedy);
}

void CheckHosts(const Parsed& parsed) {
  Require(parsed, !parsed.config.hosts.empty(), "hosts", "names no domain; add '- domain: example.org' below it");
  for (const Host& host : parsed.config.hosts) {
    const std::string key = "hosts." + host.domain;
    Require(parsed, host.certificate_file.empty() == host.key_file.empty(), key,
            "needs certificate_file and key_file together, or neither");
    Require(parsed, !host.external || !host.client_ca_file.empty(), key,
            "offers EXTERNAL but has no client_ca_file to verify certificates with");
    for (const auto& admin : host.admins) {
      const auto jid = xmpp::Jid::Parse(admin);
      Require(parsed, jid && jid->is_bare() && !jid->local().empty() && jid->str() == admin, key,
              "has admins, but '" + admin + "' is not a bare JID in its prepared form, like ada@example.org");
    }
  }
}

void CheckPair(const Parsed& parsed, const std::string& certificate, const std::string& key,
               const std::string& section) {
  Require(parsed, certificate.empty() == key.empty(), section + (key.empty() ? ".certificate_file" : ".key_file"),
          "needs " + section + ".certificate_file and " + section + ".key_file together, or neither");
}

void CheckStores(const Parsed& parsed) {
  const auto& redis = parsed.config.redis;
  const auto& postgres = parsed.config.postgres;
  Require(parsed, !redis.tls || redis.unix_socket.empty(), "redis.tls",
          "is of no use on a unix socket; leave out redis.unix_socket, or redis.tls");
  CheckPair(parsed, redis.certificate_file, redis.key_file, "redis");
  CheckPair(parsed, postgres.certificate_file, postgres.key_file, "postgres");
  Require(parsed, redis.reconnect_min <= redis.reconnect_max, "redis.reconnect_min",
          "must not be larger than redis.reconnect_max");
}

std::vector<std::pair<std::string, std::string>> OtherFiles(const Config& config) {
  std::vector<std::pair<std::string, std::string>> files{
      {"redis.ca_file", config.redis.ca_file},
      {"redis.certificate_file", config.redis.certificate_file},
      {"redis.key_file", config.redis.key_file},
      {"postgres.ca_file", config.postgres.ca_file},
      {"postgres.certificate_file", config.postgres.certificate_file},
      {"postgres.key_file", config.postgres.key_file}};
  if (!config.mtls.enabled()) return files;
  for (const auto& file : {config.mtls.certificate_file(), config.mtls.key_file(), config.mtls.ca_file()}) {
    files.emplace_back("mtls.directory", file);
  }
  return files;
}

void CheckAccess(const Parsed& parsed) {
  try {
    rpc::ParseTokens(parsed.config.access.tokens);
  } catch (const std::runtime_error& error) {
    throw Problem(std::string("access.tokens (PARLEY_ACCESS_TOKENS): ") + error.what());
  }
}

void CheckTracing(const Parsed& parsed) {
  const auto& endpoint = parsed.config.tracing.endpoint;
  Require(parsed, endpoint.empty() || tracing::Endpoint::Parse(endpoint), "tracing.endpoint",
          "is no http URL; write it like http://otel-collector:4318 (a collector beside it can speak TLS to others)");
}

void CheckC2s(const Parsed& parsed) {
  const C2s& c2s = parsed.config.c2s;
  Require(parsed, !c2s.listen.empty() || !c2s.listen_tls.empty(), "c2s.listen",
          "and c2s.listen_tls are both empty; give one of them an address");
  Require(parsed, c2s.lease_refresh * 2 <= c2s.lease_ttl, "c2s.lease_refresh",
          "must be at most half of c2s.lease_ttl, so that one lost refresh does not cost the lease");
  Require(parsed, c2s.max_unauthenticated_bytes <= c2s.max_stanza_bytes, "c2s.max_unauthenticated_bytes",
          "must not be larger than c2s.max_stanza_bytes");
  Require(parsed, c2s.max_stanza_bytes <= c2s.max_outbound_bytes, "c2s.max_outbound_bytes",
          "must have room for one stanza of c2s.max_stanza_bytes");
  Require(parsed, c2s.max_unauthenticated <= c2s.max_connections, "c2s.max_unauthenticated",
          "must not be larger than c2s.max_connections");
}

// What services say to each other must have room in a message: it would be sent again and again.
void CheckMessages(const Parsed& parsed) {
  const Config& config = parsed.config;
  const std::uint64_t largest = config.link.max_message_bytes;
  // Beside the stanza: its routing fields, and acknowledgements.
  constexpr std::uint64_t kBeside = 512 << 10;
  Require(parsed, config.c2s.max_stanza_bytes + std::uint64_t{config.link.batch_bytes} + kBeside <= largest,
          "link.max_message_bytes", "must have room for link.batch_bytes, a stanza of c2s.max_stanza_bytes and 512KiB");
  Require(parsed, config.roster.max_roster_bytes <= largest / 4, "roster.max_roster_bytes",
          "must be at most a quarter of link.max_message_bytes, in which a whole roster goes");
  // The end of one comes with the beginning of the next.
  Require(parsed, config.link.max_unread_bytes >= largest + std::uint64_t{config.link.receive_window} + kBeside,
          "link.max_unread_bytes",
          "must have room for one message of link.max_message_bytes, for link.receive_window and 512KiB");
}

}  // namespace

void CheckConsistency(const Parsed& parsed) {
  const Config& config = parsed.config;
  CheckHosts(parsed);
  CheckC2s(parsed);
  CheckStores(parsed);
  CheckAccess(parsed);
  CheckTracing(parsed);
  Require(parsed, config.router.bind_retry_min <= config.router.bind_retry_max, "router.bind_retry_min",
          "must not be larger than router.bind_retry_max");
  Require(parsed, config.router.redis_return <= config.router.redis_return_max, "router.redis_return",
          "must not be larger than router.redis_return_max");
  Require(parsed, config.link.reconnect_min <= config.link.reconnect_max, "link.reconnect_min",
          "must not be larger than link.reconnect_max");
  Require(parsed, config.link.batch_bytes <= config.link.window_bytes, "link.batch_bytes",
          "must not be larger than link.window_bytes");
  Require(parsed, config.link.window <= config.link.max_items, "link.max_items",
          "must not be less than link.window: so many stanzas may be acknowledged at once");
  Require(parsed, config.c2s.max_stanza_bytes <= config.link.window_bytes, "link.window_bytes",
          "must have room for one stanza of c2s.max_stanza_bytes");
  CheckMessages(parsed);
  Require(parsed, config.router.lease_poll * 2 <= config.c2s.lease_ttl, "router.lease_poll",
          "must be at most half of c2s.lease_ttl");
}

void CheckService(const Parsed& parsed, std::string_view service) {
  const Config& config = parsed.config;
  const bool dials = service == "c2s" || service == "router";
  if (dials) {
    Require(parsed, !config.cluster.routers.empty(), "cluster.routers", "names no router; add [\"router:7400\"]");
    Require(parsed, !config.cluster.rosters.empty(), "cluster.rosters",
            "names no roster service; add [\"roster:7500\"]");
  }
  const bool tokens = !config.access.tokens.empty() && config.mtls.dials_in_the_clear();
  Require(parsed, !dials || !tokens || !config.access.token.empty(), "access.token",
          "is empty: others will ask this process for a token; set PARLEY_TOKEN or PARLEY_TOKEN_FILE");
  if (service != "c2s") return;
  for (const Host& host : config.hosts) {
    Require(parsed, !host.certificate_file.empty(), "hosts." + host.domain,
            "has no certificate; clients need TLS: give certificate_file and key_file");
  }
}

void CheckFiles(const Parsed& parsed) {
  const Config& config = parsed.config;
  for (const auto& [key, file] : OtherFiles(config)) {
    Require(parsed, file.empty() || std::ifstream(file).good(), key,
            "names '" + file + "', which cannot be read; check the path and its permissions");
  }
  std::vector<net::TlsHost> hosts;
  for (const Host& host : config.hosts) {
    for (const std::string& file : {host.certificate_file, host.key_file, host.client_ca_file}) {
      const bool readable = file.empty() || std::ifstream(file).good();
      Require(parsed, readable, "hosts." + host.domain,
              "names '" + file + "', which cannot be read; check the path and its permissions");
    }
    if (host.certificate_file.empty()) continue;
    hosts.push_back({host.domain, host.certificate_file, host.key_file, host.client_ca_file});
  }
  if (hosts.empty()) return;
  net::TlsOptions options;
  options.min_version = config.c2s.tls_min_version;
  options.ciphers = config.c2s.tls_ciphers;
  options.cipher_suites = config.c2s.tls_cipher_suites;
  try {
    const net::TlsContexts contexts(std::move(hosts), options);
  } catch (const std::runtime_error& error) {
    throw Problem(error.what());
  }
}

}  // namespace parley::config
