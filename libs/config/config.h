#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/log.h"
#include "libs/net/tls.h"
#include "libs/rpc/link.h"
#include "libs/rpc/security.h"
#include "libs/storage/redis.h"
#include "libs/telemetry/admin_options.h"
#include "libs/tracing/options.h"

// The one YAML file of all services. Every key has a row in schema.cc: path, type, default, range, meaning, secret
// environment variable; the reference (docs/configuration.md) is printed from these rows. Unknown keys, wrong types and
// impossible values are errors that name the line and the remedy.
namespace parley::config {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

// A domain that this cluster serves.
struct Host {
  std::string domain;  // prepared
  std::string certificate_file;
  std::string key_file;
  std::string client_ca_file;
  bool registration = false;                 // XEP-0077
  bool anonymous = false;                    // SASL ANONYMOUS
  bool external = false;                     // SASL EXTERNAL
  bool scram_sha256 = true;                  // SASL SCRAM-SHA-256
  bool plain = true;                         // SASL PLAIN (over TLS)
  std::vector<std::string> admins;           // bare JIDs: may administer the service (XEP-0133)
  std::vector<std::string> admin_addresses;  // XEP-0157: "mailto:..."
  std::vector<std::string> abuse_addresses;
  std::vector<std::string> support_addresses;
};

struct Cluster {
  std::string instance;              // unique name of this replica; default: the host name
  std::vector<std::string> routers;  // "host:port", names may resolve to many
  std::vector<std::string> rosters;
  Milliseconds discovery_interval{5000};
};

struct Postgres {
  std::string host = "127.0.0.1";
  std::uint16_t port = 5432;
  std::string database = "parley";
  std::string user = "parley";
  std::string password;  // PARLEY_POSTGRES_PASSWORD
  std::string tls = "prefer";
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::uint32_t connections = 4;
  std::uint32_t read_connections = 2;
  std::uint32_t max_queue = 10000;
  Milliseconds connect_timeout{3000};
  Milliseconds statement_timeout{5000};
  Milliseconds reconnect{500};
};

struct C2s {
  std::vector<std::string> listen{"0.0.0.0:5222"};
  std::vector<std::string> listen_tls{"0.0.0.0:5223"};
  std::string admin = "0.0.0.0:9100";        // /metrics, probes
  std::vector<std::string> trusted_proxies;  // networks; not empty: PROXY protocol, and from these only
  Milliseconds proxy_timeout{5000};
  std::uint32_t max_proxy_header_bytes = 4096;
  bool starttls_required = true;
  std::string tls_min_version = "1.2";
  std::string tls_ciphers;
  std::string tls_cipher_suites;
  bool tls_release = true;
  std::uint32_t max_tls_records_without_data = 32;  // in a row
  std::string tls_ticket_key_file;                  // shared by all edges; empty: a random key of each
  Seconds certificate_check{10};
  std::string resource_conflict = "replace-old";  // RFC 6120 7.7.2.2: "replace-old", "refuse-new", "new-resource"
  // Streams
  std::uint32_t max_stanza_bytes = 262144;
  std::uint32_t max_stream_header_bytes = 4096;
  std::uint32_t max_unauthenticated_bytes = 65536;
  std::uint32_t max_depth = 64;
  std::uint32_t max_attributes = 64;
  std::uint32_t max_presence_bytes = 16384;
  Milliseconds unauthenticated_timeout{30000};
  Milliseconds idle_ping{120000};    // silence after which the client is pinged (XEP-0199)
  Milliseconds idle_timeout{60000};  // silence after that ping: gone
  Milliseconds close_timeout{5000};
  Milliseconds router_timeout{10000};    // bind and the like
  Milliseconds no_router_timeout{5000};  // clients' stanzas wait so long for any router, then are answered
  Milliseconds auth_timeout{10000};
  // SASL
  std::uint32_t max_auth_attempts = 5;  // per connection
  Milliseconds auth_failure_delay{500};
  std::uint32_t auth_failures_per_minute_per_address = 30;
  std::uint32_t registrations_per_minute_per_address = 60;  // XEP-0077
  std::uint32_t password_threads = 2;                       // for PBKDF2 of SASL PLAIN
  std::uint32_t max_passwords_queued = 1000;
  // Rates: tokens per second and burst; 0: no limit
  std::uint32_t stanzas_per_second = 50;
  std::uint32_t stanzas_burst = 500;
  std::uint32_t bytes_per_second = 65536;
  std::uint32_t bytes_burst = 1048576;
  std::uint32_t connections_per_second_per_address = 20;
  std::uint32_t connections_burst_per_address = 200;
  std::uint32_t max_connections = 18000;
  std::uint32_t max_connections_per_address = 10000;
  std::uint32_t max_unauthenticated = 4000;
  std::uint32_t max_connections_waiting = 1000;  // for their address's rate; as many for max_unauthenticated
  Milliseconds admission_timeout{30000};         // one waits so long at most
  std::uint32_t accept_batch = 16;               // then those already connected get their turn
  Milliseconds tcp_timeout{180000};
  // Queues
  std::uint32_t max_outbound_bytes = 1048576;       // per session, for a client that does not read
  std::uint32_t max_unread_bytes = 65536;           // then it must read before it may go on asking
  Milliseconds slow_reader_timeout{30000};          // no progress for so long
  std::uint32_t max_unanswered_bytes = 16384;       // requests that a client has and has not answered, remembered
  std::uint32_t max_unacknowledged = 128;           // stanzas of a session that the routers have not taken yet
  std::uint32_t max_unacknowledged_presences = 16;  // of them, presences: each is copied to all contacts
  Milliseconds order_timeout{2000};  // a presence waits for messages, and the other way round, to keep their order
  // Stream management (XEP-0198)
  Milliseconds sm_resume_timeout{300000};  // a session may be away so long; 0: resumption is not offered
  Milliseconds sm_settle_wait{1000};       // for routers to take what its client sent before
  std::string sm_location;                 // "host:port" that clients are to come back to; empty: anywhere
  std::uint32_t sm_max_stanzas = 1000;     // unacknowledged by the client; then the session ends
  std::uint32_t sm_max_bytes = 4194304;
  std::uint32_t sm_pack_stanzas = 64;       // so many that came at once share an element of the queue
  std::uint32_t sm_request_stanzas = 200;   // an acknowledgement is asked for after so many,
  std::uint32_t sm_request_bytes = 65536;   // so many bytes,
  Milliseconds sm_request_delay{3000};      // or so long
  Milliseconds sm_ack_timeout{60000};       // a client that does not answer for so long is away
  Milliseconds sm_ack_wait{500};            // our answer waits so long for what the client sent before it asked
  Milliseconds sm_ack_pace{250};            // one answer in so long to a client that sends on without waiting for it
  std::uint32_t sm_store_handled = 64;      // so many handled stanzas are noted in Redis unasked,
  Milliseconds sm_store_delay{1000};        // or after so long
  std::uint32_t sm_max_unhandled = 500;     // a client's stanzas beyond what Redis knows to be handled
  Milliseconds sm_resume_wait{1000};        // a resumption waits so long for the lease, or for a router's Redis
  Milliseconds sm_repeat_window{15000};     // acknowledged stanzas are recognised so long after a resumption elsewhere,
  std::uint32_t sm_remember_origins = 128;  // of so many senders' sessions a session,
  std::uint32_t sm_remember_answers = 32;   // and so many answers
  std::uint32_t sm_remember_blocks = 4;     // of each sender's session, blocks of 64 of its messages
  std::uint32_t max_early = 1000;           // deliveries for a session that is just being bound or resumed
  std::uint32_t max_deferred = 65536;       // stanzas of all sessions kept for a router to come back
  std::uint32_t max_repeats_remembered = 200000;
  Seconds repeat_memory{300};
  // Lease in Redis
  std::uint32_t max_restoring = 64;  // sessions put back at a time
  Milliseconds lease_ttl{4000};
  Milliseconds lease_refresh{1000};
  Milliseconds orders_poll{1000};  // bans, drain
  std::uint32_t max_bans = 10000;
  Milliseconds drain_timeout{25000};
  std::string drain_redirect;  // "host:port" (see-other-host); empty: system-shutdown
};

struct Router {
  std::string listen = "0.0.0.0:7400";  // gRPC
  std::string admin = "0.0.0.0:9100";
  std::uint32_t max_resources_per_account = 32;
  std::uint32_t max_accounts_cached = 500000;
  std::uint32_t max_rosters_cached = 50000;
  std::uint32_t max_mailbox = 10000;     // stanzas waiting for one account
  std::uint32_t remember_diverted = 16;  // messages of an account that went to other sessions than the one they name
  std::uint32_t max_deferred = 100000;   // left by ended sessions, waiting for Redis beside their account
  std::uint32_t remember_left = 100000;  // stanzas that ended sessions left, to recognise what their senders send again
  std::uint32_t remember_queues = 10000;  // ended sessions whose queues are remembered, for router.sm_remember_queue
  std::uint32_t remember_nodes = 10000;   // edges that are known to be in Redis' list of those that have sessions
  std::uint32_t max_doubtful_queues = 10000;  // queues of sessions that may not exist, deleted with their session
  std::uint32_t max_parked = 100000;          // stanzas waiting for one edge whose link broke
  std::uint32_t max_directed = 1000;          // directed-presence targets remembered per session
  std::uint32_t offline_batch = 100;
  Milliseconds recheck_stored{30000};  // the store is looked into for sessions bound since, when they are first seen
  std::uint32_t max_storing = 200;     // offline messages that the roster service is asked to store at a time
  Milliseconds roster_timeout{5000};
  Milliseconds roster_doubt_timeout{30000};
  Milliseconds unsaved_retry{1000};       // what Redis refused to write, although it can be reached
  Milliseconds delivery_timeout{10000};   // an account cannot be read, or a queue not written, without Redis
  Milliseconds edge_timeout{60000};       // a living edge has no link to us
  Milliseconds no_replica_timeout{5000};  // what is for other routers waits so long for one
  Milliseconds lease_poll{500};
  Milliseconds redis_patience{500};      // Redis does not answer us, but others: then they take our accounts
  Milliseconds join_timeout{10000};      // one that starts waits so long for all edges and routers
  Milliseconds redis_return{2000};       // it answers again: then we take them back
  Milliseconds redis_return_max{30000};  // the same, if that happens again and again
  Milliseconds restore_grace{30000};     // a linked edge has so long to put its sessions back under a new lease
  Milliseconds reap_claim{10000};
  Milliseconds reap_search{15000};         // for dead edges that nobody cleaned up after
  Milliseconds reap_retry{2000};           // sessions of a dead edge that may yet be resumed are looked at so often
  Milliseconds handover_timeout{6000};     // an edge takes so long to hand over a session
  Milliseconds sm_orphan_grace{15000};     // beyond its resumption time, for a session whose edge is gone
  Milliseconds sm_remember_queue{60000};   // what ended sessions had in their queues, to recognise what comes late
  Milliseconds sm_remember_ended{600000};  // how many stanzas an ended session had handled (XEP-0198, failed with h)
  Milliseconds sm_remember_acknowledged{600000};  // by ended sessions, to recognise what is sent again
  std::uint32_t sm_remember_ends = 16;            // of so many of an account's sessions
  std::uint32_t reap_batch = 200;                 // sessions of a dead edge ended at a time
  Milliseconds bind_retry_min{5};                 // a resource whose last session is just being ended
  Milliseconds bind_retry_max{200};
  Milliseconds bind_timeout{5000};
  Milliseconds admin_timeout{10000};  // another router's part of an operator's request
  Milliseconds drain_timeout{20000};
};

struct Roster {
  std::string listen = "0.0.0.0:7500";
  std::string admin = "0.0.0.0:9100";
  bool migrate = true;  // apply migrations at start
  std::uint32_t scram_iterations = 4096;
  Seconds credential_survey{600};  // what unknown users have to look like
  std::uint32_t max_items = 1000;
  std::uint64_t max_roster_bytes = 262144;  // jids, names and groups of one roster
  std::uint32_t max_groups = 50;            // per item
  std::uint32_t max_name_bytes = 1023;
  std::uint32_t max_offline_messages = 100;  // per account
  std::uint64_t max_offline_bytes = 1048576;
  std::uint32_t max_pending_in = 1000;
  std::uint32_t max_pending_bytes = 10000;  // of one kept subscription request
  std::uint32_t roster_history = 200;       // removals remembered for versioning
  std::uint32_t roster_max_changes = 100;   // told one by one since the version that a client knows
  std::uint32_t write_batch = 200;          // offline messages in one commit
  std::uint64_t write_batch_bytes = 4 << 20;
  std::uint32_t max_passwords_queued = 4096;  // whose keys are to be derived
  std::uint32_t max_password_bytes = 1024;    // of a new one
  // How long a delivered offline message and a change of a roster are still recognised.
  Seconds repeat_memory{600};
  Milliseconds drain_timeout{20000};
};

struct Config {
  log::Options log;
  telemetry::AdminOptions admin;
  Cluster cluster;
  std::vector<Host> hosts;
  storage::RedisOptions redis;  // password: PARLEY_REDIS_PASSWORD
  Postgres postgres;
  rpc::LinkOptions link;
  rpc::MutualTls mtls;
  rpc::Access access;  // PARLEY_ACCESS_TOKENS, PARLEY_TOKEN
  tracing::Options tracing;
  C2s c2s;
  Router router;
  Roster roster;

  const Host* FindHost(std::string_view domain) const;
};

// Common command line of every service: --config FILE, --set key=value (repeatable), --instance NAME, --check-config,
// --print-config-reference, --version, --help. Prints one line and exits 2 on a bad config; handles the rest by itself.
Config LoadOrExit(int argc, char** argv, const std::string& service);

// For tests: throws std::runtime_error with the message that an operator would see.
Config Parse(const std::string& yaml, const std::vector<std::string>& overrides = {});
std::string ReferenceMarkdown();

}  // namespace parley::config
