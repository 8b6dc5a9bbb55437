#include "libs/config/schema.h"

namespace parley::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;
constexpr std::int64_t kGiB = 1024 * kMiB;
constexpr std::int64_t kMany = 1'000'000'000;

}  // namespace

// The path of a key is the name of its field; its default is what the field has in config.h.
#define ROW(member, ...)                                                          \
  {                                                                               \
#member, [](Config & config) -> Field { return &config.member; }, __VA_ARGS__ \
  }
#define HOST(member, ...)                                                   \
  {                                                                         \
#member, [](Host & host) -> Field { return &host.member; }, __VA_ARGS__ \
  }

const std::vector<Section>& Sections() {
  static const std::vector<Section> kSections{
      {"log", "What every service writes to standard error."},
      {"admin", "HTTP for /metrics, /livez and /readyz; where it listens is each service's own key."},
      {"cluster", "Who this process is and where its peers are."},
      {"redis", "Where sessions and leases are kept."},
      {"postgres", "Where accounts, rosters and offline messages are kept. Used by the roster service only."},
      {"link", "The connections between services: streams of stanzas, and calls. With those of operators."},
      {"mtls", "Mutual TLS between services, and with operators (parleyctl)."},
      {"access", "Who may call without it: tokens. Of no meaning with mutual TLS."},
      {"tracing", "Following stanzas through all services (OpenTelemetry)."},
      {"c2s", "The edge that clients connect to."},
      {"router", "Sessions, presence and delivery."},
      {"roster", "Accounts, rosters and offline messages."},
  };
  return kSections;
}

const std::vector<Row<Host>>& HostRows() {
  static const std::vector<Row<Host>> kRows{
      HOST(domain, Domain(), "The domain, what comes after the @. Required."),
      HOST(certificate_file, File(),
           "PEM file with the certificate and its chain. Needed by c2s; watched for changes."),
      HOST(key_file, File(), "PEM file with the private key."),
      HOST(client_ca_file, File(), "PEM file with the authorities that client certificates are verified against."),
      HOST(registration, Flag(), "Whether anybody may create an account in band (XEP-0077)."),
      HOST(anonymous, Flag(), "Whether SASL ANONYMOUS is offered."),
      HOST(external, Flag(), "Whether SASL EXTERNAL is offered to clients with a certificate (XEP-0178)."),
      HOST(scram_sha256, Flag(),
           "Whether SCRAM-SHA-256 is offered. Turn it off while accounts of another server have keys for SCRAM-SHA-1 "
           "only."),
      HOST(plain, Flag(), "Whether SASL PLAIN is offered (only ever over TLS)."),
      HOST(admins, Text(),
           "Bare JIDs that may administer this domain from their client (XEP-0133), of any domain served here."),
      HOST(admin_addresses, Text(), "Contact addresses of the administrators, as URIs (XEP-0157)."),
      HOST(abuse_addresses, Text(), "Contact addresses for abuse reports."),
      HOST(support_addresses, Text(), "Contact addresses for support."),
  };
  return kRows;
}

const std::vector<Row<Config>>& Rows() {
  static const std::vector<Row<Config>> kRows{
      ROW(log.level, Choice({"debug", "info", "warn", "error"}), "The least important level that is written."),
      ROW(log.json, Flag(), "One JSON object per line instead of text."),

      ROW(admin.max_connections, Number(1, 10'000), "Connections at a time; more wait in the listen queue."),
      ROW(admin.request_timeout, Duration(milliseconds(100), minutes(10)),
          "Longest time for a request or its answer, and between two requests."),
      ROW(admin.max_header_bytes, Bytes(kKiB, kMiB), "Largest head of a request."),

      ROW(cluster.instance, Name(),
          "Unique name of this replica. Empty: the name of the machine (in Kubernetes, the pod)."),
      ROW(cluster.routers, Address(), "Where the routers listen. A name may resolve to many addresses; all are used."),
      ROW(cluster.rosters, Address(), "Where the roster services listen."),
      ROW(cluster.discovery_interval, Duration(milliseconds(100), hours(1)),
          "How often the names of these two are resolved anew."),

      ROW(redis.host, Text(), "Name or address of the Redis server."),
      ROW(redis.port, Number(1, 65535), "Its port."),
      ROW(redis.unix_socket, File(), "Path of its unix socket, used instead of host and port."),
      ROW(redis.username, Text(), "User (Redis ACL); empty: the default user."),
      ROW(redis.password, Text(), "Password; empty: none is sent.", "PARLEY_REDIS_PASSWORD"),
      ROW(redis.tls, Flag(), "Whether the connection is TLS. The server's certificate is always verified."),
      ROW(redis.server_name, Text(), "Name that the server's certificate must have; empty: redis.host."),
      ROW(redis.ca_file, File(), "PEM file of the authorities that may have signed it; empty: the system's."),
      ROW(redis.certificate_file, File(), "PEM file with our certificate, if Redis asks for one (tls-auth-clients)."),
      ROW(redis.key_file, File(), "PEM file with its private key."),
      ROW(redis.database, Number(0, 1'000'000), "Number of the database."),
      ROW(redis.connect_timeout, Duration(milliseconds(10), minutes(1)), "Longest wait for a connection."),
      ROW(redis.command_timeout, Duration(milliseconds(10), minutes(1)),
          "Longest wait for a reply, after which the connection is given up."),
      ROW(redis.reconnect_min, Duration(milliseconds(1), minutes(1)), "First wait before connecting again."),
      ROW(redis.reconnect_max, Duration(milliseconds(1), minutes(10)), "Longest wait before connecting again."),
      ROW(redis.keepalive, Duration(milliseconds(100), hours(1)),
          "Silence after which Redis is pinged; redis.command_timeout is the wait for its answer."),
      ROW(redis.max_pending, Number(1, kMany), "Commands that may await their replies; more fail at once."),

      ROW(postgres.host, Text(),
          "Name or address of the server, or the directory of its unix socket. Several, separated by commas and all on "
          "the same port: the one that takes writes is used."),
      ROW(postgres.port, Number(1, 65535), "Its port."),
      ROW(postgres.database, Text(), "Name of the database."),
      ROW(postgres.user, Text(), "User."),
      ROW(postgres.password, Text(), "Password; empty: none is sent.", "PARLEY_POSTGRES_PASSWORD"),
      ROW(postgres.tls, Choice({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
          "libpq's sslmode. Only verify-full says for certain who the server is."),
      ROW(postgres.ca_file, File(), "PEM file of the authorities that may have signed the server's certificate."),
      ROW(postgres.certificate_file, File(), "PEM file with our certificate, if the server asks for one."),
      ROW(postgres.key_file, File(),
          "PEM file with its private key; readable by its owner only or, if that is root, by its group."),
      ROW(postgres.connections, Number(1, 1000), "Connections of each roster process for transactions."),
      ROW(postgres.read_connections, Number(1, 100), "Connections of each roster process for what a login reads."),
      ROW(postgres.max_queue, Number(1, kMany),
          "Transactions, and as many reads, that may wait for a connection; more fail at once."),
      ROW(postgres.connect_timeout, Duration(seconds(1), minutes(10)), "Longest wait for a connection."),
      ROW(postgres.statement_timeout, Duration(milliseconds(10), hours(1)), "Longest run of a statement."),
      ROW(postgres.reconnect, Duration(milliseconds(10), minutes(10)),
          "Wait after an attempt to connect that failed; what is asked meanwhile fails at once."),

      ROW(link.window, Number(1, kMany), "Stanzas that a peer may have unacknowledged with us."),
      ROW(link.window_bytes, Bytes(64 * kKiB, 64 * kGiB), "Their bytes."),
      ROW(link.batch, Number(1, 100'000), "Most stanzas in one gRPC message."),
      ROW(link.batch_bytes, Bytes(kKiB, 2 * kMiB), "Bytes after which a gRPC message is closed."),
      ROW(link.ack_delay, Duration(milliseconds(0), seconds(1)),
          "How long an acknowledgement may wait for company when nothing else is to be sent."),
      ROW(link.busy_ack_delay, Duration(milliseconds(0), seconds(1)),
          "The same on a stream that had something else to send that lately: more will come, and an acknowledgement "
          "that travels alone wakes both ends for nothing else. At least `link.ack_delay`, and 0 if that is 0. "
          "12ms saves a twentieth of the processor's time at low load; who waits for an acknowledgement, like a "
          "presence "
          "behind a message, waits that much longer."),
      ROW(link.idle_ack_delay, Duration(milliseconds(0), seconds(10)),
          "The same if the sender has said that nobody waits for it: a message of a client without stream management "
          "that goes on to its recipient. What is behind it and has to wait (a presence, the end of the session, a "
          "router that joins or leaves) hurries it. In a large cluster most streams carry little, and acknowledgements "
          "that travel alone cost as much as the stanzas. A process that dies leaves unsaid what it took in that time "
          "(at most link.ack_stanzas or link.ack_bytes a stream): their senders send it again, and who has had it "
          "knows it for a "
          "repeat; but what a client without stream management got from an edge that died then may come to it again. "
          "Shorter than the others: no difference."),
      ROW(link.ack_stanzas, Number(1, kMany),
          "Stanzas of one stream whose acknowledgements have gathered, after which none of them waits any more; at a "
          "quarter of link.window at the latest."),
      ROW(link.ack_bytes, Bytes(kKiB, 64 * kGiB), "The same by their bytes; at a quarter of link.window_bytes."),
      ROW(link.settle_timeout, Duration(milliseconds(10), minutes(1)),
          "When the set of replicas changes: how long what comes next waits until those that had it before have taken "
          "what they were sent, to keep the order; and how long the first replica that is up waits for the others to "
          "be tried."),
      ROW(link.max_waiting, Number(1, kMany),
          "Stanzas that wait for that, or for any replica to be there; more are given back at once. At half of it "
          "clients are not read any more."),
      ROW(link.max_asks, Number(1, kMany), "Requests that may await their replies on one stream; more fail at once."),
      ROW(link.hello_timeout, Duration(milliseconds(10), minutes(10)),
          "Longest wait for a peer to introduce itself: to be connected, for TLS, HTTP/2 and, on a stream, its hello."),
      ROW(link.keepalive, Duration(milliseconds(100), hours(1)), "Silence after which a peer is pinged."),
      ROW(link.keepalive_timeout, Duration(milliseconds(100), hours(1)),
          "Wait for the answer, after which the peer counts as dead. With link.keepalive: how long clients of an edge "
          "or router that hangs wait for others. An edge that stood still for so long asks for all its sessions anew."),
      ROW(link.reconnect_min, Duration(milliseconds(1), minutes(1)), "First wait before dialling again."),
      ROW(link.reconnect_max, Duration(milliseconds(1), minutes(10)), "Longest wait before dialling again."),
      ROW(link.patience, Duration(milliseconds(10), minutes(10)),
          "A replica that has not answered for so long what a login needs is not waited for: another is asked, too."),
      ROW(link.max_connections, Number(1, 1'000'000),
          "Connections of services and operators that this process accepts; more are refused. Each edge has one to "
          "each "
          "router and one or two to each roster service. Must be below the limit of open files."),
      ROW(link.max_calls, Number(1, 1'000'000),
          "Calls at a time on one connection that was accepted; who calls waits with more. A stream of stanzas is "
          "one."),
      ROW(link.max_pending_calls, Number(1, 1'000'000),
          "Calls of one service that this process has under way, or that wait for it; more fail at once."),
      ROW(link.max_header_bytes, Bytes(4 * kKiB, 64 * kKiB),
          "Header fields of a call or of an answer; a call with more fails."),
      ROW(link.max_message_bytes, Bytes(kMiB, kGiB),
          "Largest message of a call, or batch of a stream; the call or stream of a larger one ends. Room for a whole "
          "roster and for the largest stanza. The same everywhere."),
      ROW(link.max_items, Number(100'000, kMany),
          "Stanzas, acknowledgements, requests and replies together in one batch of a stream, which take more memory "
          "than bytes on the way; the stream of one with more ends. Not less than link.window."),
      ROW(link.max_unread_bytes, Bytes(kMiB, 64 * kGiB),
          "What came on one connection, and is no whole message yet or waits to be handled; and what waits for one "
          "caller to read it. The call that exceeds it fails."),
      ROW(link.receive_window, Bytes(64 * kKiB, kGiB),
          "Bytes of one call that may be on their way to us (HTTP/2's window): more helps only where much goes far."),

      ROW(mtls.directory, File(),
          "Directory with tls.crt, tls.key and ca.crt, as cert-manager mounts them; empty: no TLS between services."),
      ROW(mtls.domain, Domain(),
          "A certificate's DNS name ROLE.DOMAIN says what its owner is: c2s, router, roster, admin or viewer."),
      ROW(mtls.mode, Choice({"required", "switch", "prepare"}),
          "How far it is switched on, in a cluster that goes on running (docs/secure.md): with `prepare` this process "
          "is dialled in the clear, with `switch` and `required` by TLS; with `prepare` and `switch` it dials who does "
          "not speak TLS in the clear."),
      ROW(mtls.check, Duration(seconds(1), hours(24)), "How often the files are looked at for changes."),

      ROW(access.tokens, Text(),
          "Who is let in, 'NAME ROLE TOKEN' in lines or divided by semicolons; roles: service, admin, viewer. Empty: "
          "everybody who can connect may do everything.",
          "PARLEY_ACCESS_TOKENS"),
      ROW(access.token, Text(), "What this process shows to others.", "PARLEY_TOKEN"),

      ROW(tracing.endpoint, Text(),
          "Where spans are posted (OTLP/HTTP, JSON): http://otel-collector:4318; /v1/traces is added if there is no "
          "path. Empty: nothing is traced."),
      ROW(tracing.sample_ratio, Share(), "Share of clients' stanzas that are followed. Of use for c2s only."),
      ROW(tracing.max_queue, Number(1, 1'000'000), "Spans that wait to be posted; more are dropped."),
      ROW(tracing.batch, Number(1, 100'000), "Most spans in one request."),
      ROW(tracing.interval, Duration(milliseconds(10), minutes(1)),
          "How long spans wait for more before they are posted."),
      ROW(tracing.timeout, Duration(milliseconds(10), minutes(1)),
          "Longest wait for the collector's answer; then the request's spans are lost."),
      ROW(tracing.stop_timeout, Duration(milliseconds(0), seconds(10)),
          "How long the end of the process may wait until the last spans are posted."),

      ROW(c2s.listen, Address(), "Where clients connect in the clear and go on with STARTTLS."),
      ROW(c2s.listen_tls, Address(), "Where clients connect with TLS at once (XEP-0368)."),
      ROW(c2s.admin, Address(), "HTTP for /metrics, /livez and /readyz."),
      ROW(c2s.trusted_proxies, Network(),
          "Networks (CIDR) of the load balancers. Not empty: only they may connect, and each connection begins with a "
          "header of the PROXY protocol, version 2, that names the client."),
      ROW(c2s.proxy_timeout, Duration(milliseconds(100), minutes(1)), "Longest wait for that header."),
      ROW(c2s.max_proxy_header_bytes, Bytes(256, 64 * kKiB), "Largest such header, with its TLVs."),
      ROW(c2s.starttls_required, Flag(), "Whether nothing but STARTTLS is possible before TLS."),
      ROW(c2s.tls_min_version, Choice({"1.2", "1.3"}), "The oldest version of TLS that is accepted."),
      ROW(c2s.tls_ciphers, Text(), "TLS 1.2 ciphers as an OpenSSL list; empty: a sensible default."),
      ROW(c2s.tls_cipher_suites, Text(),
          "TLS 1.3 cipher suites as an OpenSSL list, in the order of preference; empty: AES-128, AES-256, ChaCha20."),
      ROW(c2s.tls_release, Flag(),
          "Whether OpenSSL's part of a connection with TLS 1.3 (14 KiB) is freed once its client is authenticated. Its "
          "records are then framed by Parley, and protected by OpenSSL's ciphers as before."),
      ROW(c2s.max_tls_records_without_data, Number(1, kMany),
          "Records without data (empty ones, key updates) that such a connection may bring in a row; beyond, it is cut "
          "off. A connection that is still OpenSSL's may bring 32."),
      ROW(c2s.tls_ticket_key_file, File(),
          "Keys for TLS session tickets, the same file on all edges, so that a client resumes its TLS session on any "
          "of "
          "them: 80 random bytes for each key (`openssl rand 80`), the first seals, the others still open. Taken anew "
          "when "
          "it changes (c2s.certificate_check). Empty: a random key of each edge."),
      ROW(c2s.certificate_check, Duration(seconds(1), hours(24)),
          "How often certificate files are looked at for changes."),
      ROW(c2s.resource_conflict, Choice({"replace-old", "refuse-new", "new-resource"}),
          "What happens when a resource is bound twice (RFC 6120 7.7.2.2)."),
      // RFC 6120 13.12: no smaller than 10000 bytes.
      ROW(c2s.max_stanza_bytes, Bytes(10'000, 64 * kMiB), "Largest stanza of a client that has bound a resource."),
      ROW(c2s.max_stream_header_bytes, Bytes(kKiB, 64 * kKiB), "Largest stream header of a client."),
      ROW(c2s.max_unauthenticated_bytes, Bytes(4 * kKiB, 64 * kMiB),
          "All that is sent before authenticating, and the largest element before a resource is bound."),
      ROW(c2s.max_depth, Number(8, 256), "How deep elements may nest."),
      ROW(c2s.max_attributes, Number(8, 512), "Attributes of one element."),
      ROW(c2s.max_presence_bytes, Bytes(10'000, 64 * kMiB),
          "Largest presence, of which each contact gets a copy; a larger one is answered with not-acceptable."),
      ROW(c2s.unauthenticated_timeout, Duration(seconds(1), hours(1)), "Time to authenticate and bind a resource."),
      ROW(c2s.idle_ping, Duration(seconds(1), hours(24)), "Silence after which a client is pinged (XEP-0199)."),
      ROW(c2s.idle_timeout, Duration(seconds(1), hours(24)), "Silence after that ping, after which its session ends."),
      ROW(c2s.close_timeout, Duration(milliseconds(100), minutes(10)), "Wait for a client to close its stream, too."),
      ROW(c2s.router_timeout, Duration(milliseconds(100), minutes(10)), "Wait for a router to bind a resource."),
      ROW(c2s.no_router_timeout, Duration(milliseconds(100), minutes(10)),
          "How long clients' stanzas wait for any router to come back, before they are answered with an error. "
          "Those of clients with stream management wait for as long as it takes, up to c2s.max_unacknowledged of "
          "each."),
      ROW(c2s.auth_timeout, Duration(milliseconds(100), minutes(10)),
          "Wait for the roster service to give a credential."),
      ROW(c2s.max_auth_attempts, Number(1, 1000), "Failed logins of one connection, after which it is closed."),
      ROW(c2s.auth_failure_delay, Duration(milliseconds(0), minutes(1)), "How long a failed login is held back."),
      ROW(c2s.auth_failures_per_minute_per_address, Number(0, kMany),
          "Failed logins of one address, after which more are refused for a while; 0: no limit."),
      ROW(c2s.registrations_per_minute_per_address, Number(0, kMany),
          "Accounts that one address may register (XEP-0077); 0: no limit."),
      ROW(c2s.password_threads, Number(1, 64), "Threads that check passwords of SASL PLAIN."),
      ROW(c2s.max_passwords_queued, Number(1, kMany),
          "Passwords that wait to be checked; beyond, logins are told to try later."),
      ROW(c2s.stanzas_per_second, Number(0, kMany), "Stanzas of one session; beyond, it is slowed down. 0: no limit."),
      ROW(c2s.stanzas_burst, Number(1, kMany), "Stanzas that it may send at once."),
      ROW(c2s.bytes_per_second, Bytes(0, kGiB), "Bytes of one connection; beyond, it is slowed down. 0: no limit."),
      ROW(c2s.bytes_burst, Bytes(kKiB, kGiB), "Bytes that it may send at once."),
      ROW(c2s.connections_per_second_per_address, Number(0, kMany), "New connections of one address; 0: no limit."),
      ROW(c2s.connections_burst_per_address, Number(1, kMany), "New connections of one address at once."),
      ROW(c2s.max_connections, Number(1, kMany),
          "Connections of this process; must be well below its limit of open files."),
      ROW(c2s.max_connections_per_address, Number(1, kMany), "Connections of one address."),
      ROW(c2s.max_unauthenticated, Number(1, kMany),
          "Connections that have not authenticated and bound a resource yet. More wait, and come in oldest first as "
          "those before them have logged in or gone."),
      ROW(c2s.max_connections_waiting, Number(0, 100'000),
          "Connections that wait for their address's rate, and as many that wait for c2s.max_unauthenticated; those "
          "that come when so many wait are refused."),
      ROW(c2s.admission_timeout, Duration(milliseconds(100), minutes(10)),
          "How long a connection waits for c2s.max_unauthenticated before it is refused. One that would wait so long "
          "for its address's rate is refused at once."),
      ROW(c2s.accept_batch, Number(1, 10'000),
          "Connections accepted at once, before those already there get their turn."),
      ROW(c2s.tcp_timeout, Duration(seconds(3), hours(24)),
          "Time without an answer from a client's TCP, after which its connection counts as lost."),
      ROW(c2s.max_outbound_bytes, Bytes(64 * kKiB, 4 * kGiB), "What may wait for a client that does not read."),
      ROW(c2s.max_unread_bytes, Bytes(4 * kKiB, 4 * kGiB),
          "What may wait for a client to read before its own stanzas are read."),
      ROW(c2s.slow_reader_timeout, Duration(seconds(1), hours(1)),
          "Time without progress, after which a client that does not read is cut off."),
      ROW(c2s.max_unanswered_bytes, Bytes(0, 16 * kMiB),
          "Requests (iq) that a client got and has not answered, remembered per session, so that they are answered "
          "when it ends: ids and senders. Beyond, the oldest are forgotten."),
      ROW(c2s.max_unacknowledged, Number(1, 1'000'000),
          "Stanzas of one session that no router has taken yet; then its connection is not read."),
      ROW(c2s.max_unacknowledged_presences, Number(1, 1'000'000),
          "Presences among them: what each becomes for the contacts is held until all of it is taken."),
      ROW(c2s.order_timeout, Duration(milliseconds(0), minutes(1)),
          "How long a session's presence waits for its messages to be taken, or they for it, to keep their order."),
      ROW(c2s.sm_resume_timeout, Duration(milliseconds(0), hours(24)),
          "How long a session may be away and be resumed (XEP-0198); 0: resumption is not offered."),
      ROW(c2s.sm_settle_wait, Duration(milliseconds(0), minutes(1)),
          "How long a resumption waits for routers to take what the client sent before; the client sends again what "
          "they have not taken."),
      ROW(c2s.sm_location, Text(),
          "host:port that clients are told to resume at; empty: any edge, as the domain's SRV records say."),
      ROW(c2s.sm_max_stanzas, Number(10, 1'000'000),
          "Stanzas that a client with stream management may leave unacknowledged; then its session ends, and they are "
          "stored or bounced."),
      ROW(c2s.sm_max_bytes, Bytes(64 * kKiB, kGiB), "Their bytes."),
      ROW(c2s.sm_pack_stanzas, Number(1, 1000),
          "Stanzas that came for a session at once are packed (LZ4) for its queue in Redis, so many together: less of "
          "Redis' CPU and memory. It keeps them until the client has acknowledged all of them. 1: each by itself."),
      ROW(c2s.sm_request_stanzas, Number(1, 1'000'000),
          "Stanzas after which an acknowledgement is asked for; at half of c2s.sm_max_stanzas at the latest."),
      ROW(c2s.sm_request_bytes, Bytes(kKiB, kGiB),
          "Bytes after which an acknowledgement is asked for; at half of c2s.sm_max_bytes at the latest."),
      ROW(c2s.sm_request_delay, Duration(milliseconds(100), hours(1)),
          "Longest time after a stanza until its acknowledgement is asked for."),
      ROW(c2s.sm_ack_timeout, Duration(seconds(1), hours(24)),
          "Time without an answer to that, after which the client counts as away."),
      ROW(c2s.sm_ack_wait, Duration(milliseconds(0), minutes(1)),
          "How long the answer to a client that asks waits until all is handled that it sent before."),
      ROW(c2s.sm_ack_pace, Duration(milliseconds(0), seconds(10)),
          "A client that asks, and sends on without waiting for the answer, gets one answer in this time; 0: each at "
          "once."),
      ROW(c2s.sm_store_handled, Number(1, 1'000'000),
          "Stanzas of a client after which it is noted in Redis, unasked, that they are handled."),
      ROW(c2s.sm_store_delay, Duration(milliseconds(10), minutes(10)),
          "How long after a stanza of a client was handled that is noted in Redis, if there are not so many."),
      ROW(c2s.sm_max_unhandled, Number(10, 1'000'000),
          "Stanzas that a client may send beyond the last that Redis knows to be handled, with all before it; then its "
          "connection is not read. So many are taken for possible repeats at another edge after a crash."),
      ROW(c2s.sm_resume_wait, Duration(milliseconds(0), minutes(1)),
          "How long a resumption waits for this node's lease in Redis, or for a router that cannot reach Redis. Then "
          "the client is told to try another node."),
      ROW(c2s.sm_repeat_window, Duration(seconds(1), minutes(10)),
          "How long after its acknowledgement by the client a stanza's repeat is recognised by another edge. Messages "
          "that were acknowledged so long before the session ended are remembered (router.sm_remember_acknowledged)."),
      ROW(c2s.sm_remember_origins, Number(2, 100'000),
          "Senders' sessions whose acknowledged stanzas are remembered for that, for each session with stream "
          "management. Beyond it the one that sent nothing for longest is forgotten: what it sends again after a fault "
          "may come twice."),
      ROW(c2s.sm_remember_blocks, Number(1, 256),
          "Of each of these senders' sessions, blocks of 64 of its messages, the latest, of which it is remembered one "
          "by one which were acknowledged, also after the session's end (router.sm_remember_acknowledged). 16 bytes "
          "each in the session's queue in Redis. What a sender's edge that was killed sends again is mostly within "
          "c2s.sm_store_handled of its last, and always within c2s.sm_max_unhandled."),
      ROW(c2s.sm_remember_answers, Number(1, 100'000),
          "Acknowledged answers to a client's requests that are remembered for c2s.sm_repeat_window, for each "
          "session."),
      ROW(c2s.max_early, Number(1, 1'000'000),
          "Deliveries that wait for a session that is just being bound or resumed, or that ends; more are given back "
          "to the router, of a session that ends with those that wait."),
      ROW(c2s.max_deferred, Number(1, 100'000'000),
          "Stanzas of all sessions that are kept for a router to come back; more are dropped, which is logged."),
      ROW(c2s.max_repeats_remembered, Number(2, kMany),
          "Pairs of sender and recipient whose deliveries are remembered, to recognise repeats after a router died."),
      ROW(c2s.repeat_memory, Duration(seconds(1), hours(24)), "How long they are remembered at least."),
      ROW(c2s.max_restoring, Number(1, kMany),
          "Sessions that are put back at a time after the lease or Redis' data was lost."),
      ROW(c2s.lease_ttl, Duration(milliseconds(500), minutes(10)),
          "Time after which an edge that is not heard of counts as dead. Routers use it, too: the same everywhere."),
      ROW(c2s.lease_refresh, Duration(milliseconds(50), minutes(5)), "How often an edge refreshes its lease."),
      ROW(c2s.orders_poll, Duration(milliseconds(50), minutes(1)),
          "How often an edge looks for operators' orders: banned addresses, and whether it is to drain."),
      ROW(c2s.max_bans, Number(1, 1'000'000),
          "Banned addresses and networks that an edge obeys; further bans are refused."),
      ROW(c2s.drain_timeout, Duration(milliseconds(0), hours(1)), "Longest time from SIGTERM to the end."),
      ROW(c2s.drain_redirect, Text(),
          "host:port that clients are sent to when this edge stops (see-other-host); empty: they are told that it "
          "shuts down (system-shutdown), and come back by the domain's SRV records."),

      ROW(router.listen, Address(), "Where routers are reached by gRPC."),
      ROW(router.admin, Address(), "HTTP for /metrics, /livez and /readyz."),
      ROW(router.max_resources_per_account, Number(1, 10'000), "Sessions of one account at a time."),
      ROW(router.max_accounts_cached, Number(100, kMany), "Accounts kept in memory."),
      ROW(router.max_rosters_cached, Number(10, kMany), "Rosters kept in memory."),
      ROW(router.max_mailbox, Number(10, kMany), "Stanzas that may wait for one account."),
      ROW(router.max_parked, Number(1, 10'000'000), "Stanzas that wait for one edge whose link broke."),
      ROW(router.remember_diverted, Number(0, 1'000),
          "Messages for a resource that is not bound, and that went to other sessions of the account, which are "
          "remembered for each account while it is in memory: sent again after a fault, they do not go to the resource "
          "that is bound by then."),
      ROW(router.recheck_stored, Duration(milliseconds(0), hours(1)),
          "The offline store is looked into for sessions that were bound so recently, when a router first sees them: "
          "the one before it may have died before it had given them what is there. What is new waits for that."),
      ROW(router.max_deferred, Number(1, 10'000'000),
          "Stanzas that ended sessions left, or that came back for them, and that wait for Redis beside their account. "
          "With that many, further accounts wait as a whole, and what comes back is handled at once."),
      ROW(router.remember_left, Number(1, 10'000'000),
          "Stanzas that ended sessions left, which are remembered for router.sm_remember_queue so that they are "
          "recognised when their senders send them again after a fault. Beyond that the oldest are forgotten."),
      ROW(router.remember_queues, Number(1, 10'000'000),
          "Ended sessions whose queues a router remembers for router.sm_remember_queue. Beyond that the oldest are "
          "forgotten, and read from Redis when they are needed."),
      ROW(router.remember_nodes, Number(1, 10'000'000),
          "Edges, by lease, of which a router remembers that Redis has them in its list of those that have sessions. "
          "Beyond that all are forgotten, and listed once more."),
      ROW(router.max_doubtful_queues, Number(0, 10'000'000),
          "Queues that Redis may have made although it did not say so, remembered until their session ends, and "
          "deleted then. Beyond that such a queue may be left in Redis for good."),
      ROW(router.max_directed, Number(1, 1'000'000), "Directed presence kept per session (64 bytes each on average)."),
      ROW(router.offline_batch, Number(1, 10'000),
          "Offline messages of one account delivered at a time, or given to the roster service to be stored."),
      ROW(router.max_storing, Number(1, 1'000'000),
          "Offline messages that the roster service is given to store at a time; more wait with their accounts, first "
          "come, first served, for router.roster_doubt_timeout. Then they are answered with an error."),
      ROW(router.roster_timeout, Duration(milliseconds(50), minutes(10)),
          "Wait for the roster service. And how long PostgreSQL may be away before offline messages are answered with "
          "an error; they wait until then."),
      ROW(router.roster_doubt_timeout, Duration(milliseconds(50), minutes(10)),
          "How long a change of a roster or an offline message that may have been stored is asked for again, and a "
          "contact's half of a subscription. What else is for that account waits, except for new sessions. And how "
          "long an offline message waits for a place among router.max_storing."),
      ROW(router.delivery_timeout, Duration(milliseconds(50), minutes(10)), "How long a stanza waits for Redis."),
      ROW(router.unsaved_retry, Duration(milliseconds(10), minutes(10)),
          "How often one of the changes of sessions that Redis refused to write, although it can be reached, is "
          "written again. When Redis takes it, the others follow."),
      ROW(router.edge_timeout, Duration(milliseconds(50), minutes(10)),
          "How long a stanza waits for an edge that lives, but has no connection to this router."),
      ROW(router.no_replica_timeout, Duration(milliseconds(100), minutes(10)),
          "How long what one router has for others waits for any of them, if it serves no account itself, before it is "
          "handled as undeliverable."),
      ROW(router.lease_poll, Duration(milliseconds(50), minutes(1)), "How often the leases of the edges are read."),
      ROW(router.join_timeout, Duration(milliseconds(0), minutes(10)),
          "How long a router that has started, or left the ring, waits for connections of all edges and routers before "
          "it serves accounts, while others do. Who connects later hears of it late: for so long two routers may serve "
          "the same accounts."),
      ROW(router.redis_patience, Duration(milliseconds(100), minutes(10)),
          "How long Redis may not answer a router before it leaves the ring, so that other routers serve its accounts; "
          "only if one of them says that Redis has answered it all that time, or for router.redis_return."),
      ROW(router.redis_return, Duration(milliseconds(100), minutes(10)),
          "How long Redis must have answered a router that has left the ring before it comes back."),
      ROW(router.redis_return_max, Duration(milliseconds(100), hours(1)),
          "The same, at most, for one that leaves again and again: it doubles with each departure that follows within "
          "this time on a return, and is router.redis_return again once the router has been well for this time."),
      ROW(router.restore_grace, Duration(milliseconds(100), hours(1)),
          "How long an edge that is connected and took a new lease has to put its sessions back. The rest is ended."),
      ROW(router.reap_claim, Duration(milliseconds(500), minutes(10)),
          "How long one router has the claim to end the sessions of a dead edge."),
      ROW(router.reap_search, Duration(milliseconds(100), hours(1)),
          "How often a router looks for dead edges whose sessions nobody has ended."),
      ROW(router.reap_retry, Duration(milliseconds(50), minutes(10)),
          "How often sessions of a dead edge that may yet be resumed are looked at."),
      ROW(router.handover_timeout, Duration(milliseconds(100), minutes(1)),
          "Wait for an edge that can be reached to hand over a session that is resumed elsewhere, or to settle what it "
          "has for one that ends."),
      ROW(router.sm_orphan_grace, Duration(milliseconds(0), hours(1)),
          "How long beyond its resumption time a session is kept whose edge is gone: its client may not know of that "
          "yet, and the edge may only be cut off, and come back."),
      ROW(router.sm_remember_queue, Duration(seconds(1), hours(1)),
          "How long it is remembered what an ended session had in its queue, so that what a router that stood still "
          "has for it is recognised."),
      ROW(router.sm_remember_ended, Duration(seconds(1), hours(24)),
          "How long it is remembered, for a resumption that comes too late, what an ended session had handled."),
      ROW(router.sm_remember_acknowledged, Duration(seconds(1), hours(24)),
          "How long it is remembered which messages a client with stream management had acknowledged just before its "
          "session ended (c2s.sm_repeat_window): sent again after a fault, as by a client that resumes that late, they "
          "are not stored or delivered again."),
      ROW(router.sm_remember_ends, Number(0, 1'000),
          "Ended sessions of an account of which that is remembered; beyond it the oldest are forgotten."),
      ROW(router.reap_batch, Number(1, 10'000), "Sessions of a dead edge that are ended at a time."),
      ROW(router.bind_retry_min, Duration(milliseconds(1), minutes(1)),
          "First wait before a resource is bound whose last session is just being ended; the next ones grow."),
      ROW(router.bind_retry_max, Duration(milliseconds(1), minutes(1)), "Longest of these waits."),
      ROW(router.bind_timeout, Duration(milliseconds(0), minutes(10)),
          "Time after which that is given up, and the client told to try later; of use below c2s.router_timeout."),
      ROW(router.admin_timeout, Duration(milliseconds(100), minutes(10)),
          "Wait for another router's part of an operator's request."),
      ROW(router.drain_timeout, Duration(milliseconds(0), hours(1)), "Longest time from SIGTERM to the end."),

      ROW(roster.listen, Address(), "Where roster services are reached by gRPC."),
      ROW(roster.admin, Address(), "HTTP for /metrics, /livez and /readyz."),
      ROW(roster.migrate, Flag(), "Whether the schema is brought up to date at the start."),
      // RFC 5802 5.1 asks for at least 4096.
      ROW(roster.scram_iterations, Number(4096, 10'000'000),
          "PBKDF2 iterations of new passwords; those of before stay as they are until they are changed."),
      ROW(roster.credential_survey, Duration(seconds(1), hours(24)),
          "How often the proportions of iterations are looked at: unknown users are shown the same ones."),
      ROW(roster.max_items, Number(1, 1'000'000), "Contacts of one account."),
      ROW(roster.max_roster_bytes, Bytes(4 * kKiB, kGiB), "Addresses, names and groups of one account's contacts."),
      ROW(roster.max_groups, Number(1, 10'000), "Groups of one contact."),
      ROW(roster.max_name_bytes, Bytes(1, 64 * kKiB), "Length of a contact's or a group's name."),
      ROW(roster.max_offline_messages, Number(0, 1'000'000), "Offline messages of one account; 0: none are kept."),
      ROW(roster.max_offline_bytes, Bytes(0, kGiB), "Their bytes."),
      ROW(roster.max_pending_in, Number(1, 1'000'000), "Subscription requests that wait for one account's answer."),
      ROW(roster.max_pending_bytes, Bytes(1024, kGiB), "Bytes of one subscription request that is kept."),
      ROW(roster.roster_history, Number(0, 1'000'000), "Removed contacts remembered for roster versioning."),
      ROW(roster.roster_max_changes, Number(0, 1'000'000),
          "Changes since the version that a client knows that are told one by one; of more, it gets the whole roster."),
      ROW(roster.write_batch, Number(1, 10'000), "Offline messages written in one transaction."),
      ROW(roster.write_batch_bytes, Bytes(kKiB, kGiB), "Their bytes, but for the last one's."),
      ROW(roster.max_passwords_queued, Number(1, kMany),
          "New passwords that wait for their keys to be derived; more are refused, to be tried again."),
      ROW(roster.max_password_bytes, Bytes(8, 4 * kKiB), "Longest password that an account can be given."),
      ROW(roster.repeat_memory, Duration(seconds(1), hours(24)),
          "How long delivered offline messages and changes of rosters are remembered, so that a late repeat of one is "
          "not stored or done again."),
      ROW(roster.drain_timeout, Duration(milliseconds(0), hours(1)), "Longest time from SIGTERM to the end."),
  };
  return kRows;
}

#undef ROW
#undef HOST

}  // namespace parley::config
