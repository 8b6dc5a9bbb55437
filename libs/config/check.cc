#include <fstream>

#include "libs/config/parse.h"
#include "libs/net/tls.h"
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

}  // namespace

void CheckConsistency(const Parsed& parsed) {
  const Config& config = parsed.config;
  CheckHosts(parsed);
  CheckC2s(parsed);
  Require(parsed, config.router.bind_retry_min <= config.router.bind_retry_max, "router.bind_retry_min",
          "must not be larger than router.bind_retry_max");
  Require(parsed, config.redis.reconnect_min <= config.redis.reconnect_max, "redis.reconnect_min",
          "must not be larger than redis.reconnect_max");
  Require(parsed, config.link.reconnect_min <= config.link.reconnect_max, "link.reconnect_min",
          "must not be larger than link.reconnect_max");
  Require(parsed, config.link.batch_bytes <= config.link.window_bytes, "link.batch_bytes",
          "must not be larger than link.window_bytes");
  Require(parsed, config.c2s.max_stanza_bytes <= config.link.window_bytes, "link.window_bytes",
          "must have room for one stanza of c2s.max_stanza_bytes");
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
  if (service != "c2s") return;
  for (const Host& host : config.hosts) {
    Require(parsed, !host.certificate_file.empty(), "hosts." + host.domain,
            "has no certificate; clients need TLS: give certificate_file and key_file");
  }
}

void CheckFiles(const Parsed& parsed) {
  const Config& config = parsed.config;
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
