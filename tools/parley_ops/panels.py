"""What Grafana's dashboards say, as short rows; dashboards.py makes them JSON.

A panel is (title, unit, queries, note); a query is (PromQL, legend). $i stands for the labels that choose the processes
of the dashboard. Metrics are those of the services' /metrics; tests/ops asks a real Prometheus for every query."""

PER_SECOND = "ops"
SECONDS = "s"
BYTES = "bytes"
SHARE = "percentunit"
COUNT = "short"


def rate(metric, by="", labels=""):
    grouping = f" by ({by})" if by else ""
    chosen = f"{{$i{', ' + labels if labels else ''}}}"
    return f"sum{grouping} (rate({metric}{chosen}[$__rate_interval]))"


def quantiles(metric, labels="", shares=(0.5, 0.99)):
    """Percentiles of all processes together."""
    return [
        (f"histogram_quantile({share}, {rate(metric + '_bucket', 'le', labels)})", f"p{share * 100:g}")
        for share in shares
    ]


def slowest(metric, by, labels="", share=0.99):
    legend = " ".join("{{%s}}" % label for label in by.split(", "))
    return [(f"histogram_quantile({share}, {rate(metric + '_bucket', by + ', le', labels)})", legend)]


def gauge(metric, by="instance", labels=""):
    chosen = f"{{$i{', ' + labels if labels else ''}}}"
    legend = " ".join("{{%s}}" % label for label in by.split(", ")) if by else "all"
    return [(f"sum by ({by}) ({metric}{chosen})" if by else f"sum({metric}{chosen})", legend)]


def rates(metric, by="instance", labels=""):
    legend = " ".join("{{%s}}" % label for label in by.split(", ")) if by else "all"
    return [(rate(metric, by, labels), legend)]


def process_rows():
    """What every process has."""
    return [
        ("CPU", COUNT, rates("process_cpu_seconds_total"), "Cores in use."),
        ("Memory", BYTES, gauge("process_resident_memory_bytes"), "Resident."),
        ("Loop lag, p99", SECONDS, slowest("parley_loop_lag_seconds", "instance"),
         "How late the event loop is; what every stanza waits."),
        ("File descriptors", COUNT, gauge("process_open_fds"), ""),
        ("Spans of traces", PER_SECOND, rates("parley_tracing_spans_total", "outcome"),
         "All but exported are lost. None without tracing.endpoint."),
    ]


CALL_LIMITS = ("Limits between services", PER_SECOND, rates("parley_rpc_limits_total", "limit"),
               "Each is a key: link.max_..., link.hello_timeout, link.settle_timeout; flood: a peer that takes calls back, or "
               "does not read.")
ACCEPTED_ROWS = [
    ("Connections of services and operators", COUNT, gauge("parley_rpc_connections"), "Limit: link.max_connections."),
    ("Connections that came to nothing", PER_SECOND, rates("parley_rpc_handshakes_failed_total"),
     "No TLS, or no HTTP/2; log link_handshake_failed says why."),
    CALL_LIMITS,
]


def link_rows(link, to):
    chosen = f'link="{link}"'
    return [
        (f"Links {to}", COUNT, gauge("parley_link_up", labels=chosen), "Up now."),
        (f"Links {to} that broke", PER_SECOND, rates("parley_link_downs_total", labels=chosen), ""),
        (f"Stanzas {to}", PER_SECOND, rates("parley_link_envelopes_total", "direction", chosen), ""),
        (f"Stanzas in a batch {to}", COUNT, quantiles("parley_link_batch_envelopes", chosen),
         "Batches grow with load: that is what makes load cheap."),
        (f"Unacknowledged {to}", COUNT, gauge("parley_link_unacknowledged_envelopes", labels=chosen), ""),
        (f"Acknowledgements that could wait no longer {to}", PER_SECOND,
         rates("parley_link_acks_gathered_total", labels=chosen), "link.ack_stanzas or link.ack_bytes had gathered."),
        (f"Waiting for a window {to}", SHARE, rates("parley_link_window_full_seconds_total", labels=chosen),
         "Back-pressure: share of the time in which the peer kept us from sending."),
    ]


REDIS = [
    ("Redis reachable", COUNT, gauge("parley_redis_up", "service, instance"), ""),
    ("Redis commands", PER_SECOND, rates("parley_redis_commands_total", "service"), ""),
    ("Redis time, p99", SECONDS, slowest("parley_redis_command_seconds", "service"), "From a command to its reply."),
    ("Redis commands without reply yet", COUNT, gauge("parley_redis_pending_commands"), "Limit: redis.max_pending."),
    ("Redis trouble", PER_SECOND,
     [(rate(f"parley_redis_{what}_total"), what) for what in ("errors", "rejected", "timeouts")], ""),
    ("Redis connections made", PER_SECOND, rates("parley_redis_connects_total", "service, instance"), ""),
    ("Sessions changed elsewhere", PER_SECOND, rates("parley_redis_invalidations_total", "instance"),
     "Keys that client tracking announced."),
]

POSTGRES = [
    ("PostgreSQL reachable", COUNT, gauge("parley_postgres_up"), ""),
    ("Transactions and reads", PER_SECOND, rates("parley_postgres_jobs_total"), ""),
    ("Time of a transaction", SECONDS, quantiles("parley_postgres_job_seconds"), ""),
    ("Time of a read", SECONDS, quantiles("parley_postgres_read_seconds"), "What logins read, waiting included."),
    ("Wait for a connection", SECONDS, quantiles("parley_postgres_wait_seconds"), ""),
    ("Pool in use", SHARE,
     [("sum by (instance) (rate(parley_postgres_job_seconds_sum{$i}[$__rate_interval])) / "
       "sum by (instance) (parley_postgres_connections{$i})", "{{instance}}")], "At 100 % transactions wait."),
    ("Transactions waiting", COUNT, gauge("parley_postgres_queued_jobs"), "Limit: postgres.max_queue."),
    ("PostgreSQL trouble", PER_SECOND,
     [(rate(f"parley_postgres_{what}_total"), what) for what in ("errors", "rejected", "retries", "timeouts")], ""),
]

OVERVIEW = {
    "title": "Parley: cluster",
    "uid": "parley-overview",
    "stats": [
        ("Edges", COUNT, [('sum(up{job="parley", service="c2s"})', "up")]),
        ("Routers", COUNT, [('sum(up{job="parley", service="router"})', "up")]),
        ("Roster services", COUNT, [('sum(up{job="parley", service="roster"})', "up")]),
        ("Connections", COUNT, [("parley:connections_open:sum", "")]),
        ("Sessions", COUNT, [("parley:sessions_bound:sum", "")]),
        ("Messages in", PER_SECOND, [('parley:stanzas_in:rate5m{kind="message"}', "")]),
        ("Message, p99", SECONDS, [("parley:message_settled_seconds:p99_5m", "")]),
        ("Errors of ours", SHARE, [("parley:bounces_ours:ratio5m", "")]),
        ("Alerts", COUNT, [('count(ALERTS{alertstate="firing"}) or vector(0)', "")]),
    ],
    "rows": [
        ("Stanzas from clients", PER_SECOND, rates("parley_c2s_stanzas_in_total", "kind"), ""),
        ("Stanzas to clients", PER_SECOND, rates("parley_c2s_stanzas_out_total", "kind"), ""),
        ("Message to the recipient's edge", SECONDS,
         quantiles("parley_link_settled_seconds", 'service="c2s", link="router", kind="message"'),
         "Across all nodes, until it is delivered, stored or answered; as the sender's edge sees it."),
        ("What came of stanzas", PER_SECOND, rates("parley_router_deliveries_total", "outcome"), ""),
        ("Sessions by edge", COUNT, gauge("parley_c2s_sessions", labels='state="bound"'), ""),
        ("Logins", PER_SECOND, rates("parley_c2s_logins_total", "outcome"), ""),
        ("CPU", COUNT, rates("process_cpu_seconds_total", "service"), "Cores in use."),
        ("Memory", BYTES, gauge("process_resident_memory_bytes", "service"), ""),
        ("Loop lag, p99", SECONDS, slowest("parley_loop_lag_seconds", "service, instance"), ""),
        ("Releases", COUNT, [("count by (service, version) (parley_build_info{$i})", "{{service}} {{version}}")], ""),
    ],
}

USERS = {
    "title": "Parley: users' experience",
    "uid": "parley-users",
    "rows": [
        ("Message to the recipient's edge", SECONDS,
         quantiles("parley_link_settled_seconds", 'service="c2s", link="router", kind="message"', (0.5, 0.9, 0.99)),
         ""),
        ("Presence and iq", SECONDS,
         slowest("parley_link_settled_seconds", "kind", 'service="c2s", link="router", kind!="message"'), "p99."),
        ("Stanzas answered with an error", PER_SECOND, rates("parley_router_bounces_total", "condition"),
         "internal-server-error, resource-constraint and remote-server-timeout are ours; others are the clients'."),
        ("Stanzas that no router took", PER_SECOND, rates("parley_c2s_undeliverable_total"), ""),
        ("Logins by outcome", PER_SECOND, rates("parley_c2s_logins_total", "outcome"),
         "temporary-auth-failure is ours."),
        ("Time of a login", SECONDS, quantiles("parley_c2s_login_seconds", shares=(0.5, 0.99)),
         "The SASL exchange, the client's part included."),
        ("Logins by mechanism", PER_SECOND, rates("parley_c2s_logins_total", "mechanism"), ""),
        ("Resources bound", PER_SECOND, rates("parley_c2s_binds_total", "outcome"), ""),
        ("Streams ended", PER_SECOND, rates("parley_c2s_stream_ends_total", "reason"), ""),
        ("Sessions resumed", PER_SECOND, rates("parley_c2s_sm_resumptions_total", "outcome"),
         "here and claimed: went on where they were; item-not-found: began anew."),
        ("Wait for acknowledgements", SECONDS, quantiles("parley_c2s_sm_answer_seconds"),
         "Until a client is told what is handled (XEP-0198)."),
        ("Stream errors", PER_SECOND,
         [("sum by (condition) (rate(parley_c2s_stream_errors_total{$i}[$__rate_interval])) > 0 or "
           "sum(rate(parley_c2s_stream_errors_total{$i}[$__rate_interval]))", "{{condition}}")], ""),
        ("Limits that clients met", PER_SECOND,
         [("sum by (limit) (rate(parley_c2s_limits_total{$i}[$__rate_interval])) > 0 or "
           "sum(rate(parley_c2s_limits_total{$i}[$__rate_interval]))", "{{limit}}")], ""),
        ("Slowed down for their rates", COUNT, rates("parley_c2s_rate_paused_seconds_total"),
         "Clients that were not read, on average."),
    ],
}

C2S = {
    "title": "Parley: c2s",
    "uid": "parley-c2s",
    "service": "c2s",
    "rows": [
        ("Connections", COUNT,
         [*gauge("parley_c2s_connections_open"), ("max(parley_c2s_connections_max{$i})", "limit")], ""),
        ("New connections", PER_SECOND, rates("parley_c2s_connections_total"), ""),
        ("Connections refused", PER_SECOND, rates("parley_c2s_connections_refused_total", "told"),
         "By what they were told; the limits below say why."),
        ("Sessions by state", COUNT, gauge("parley_c2s_sessions", "state"), ""),
        ("Sessions by host", COUNT, gauge("parley_c2s_host_sessions", "host"), "Bound, away and ending."),
        ("Streams that negotiate", COUNT, gauge("parley_c2s_streams", labels='state="negotiating"'), ""),
        ("TLS handshakes", PER_SECOND,
         [*rates("parley_c2s_tls_handshakes_total", "version"), (rate("parley_c2s_tls_resumed_total"), "resumed")], ""),
        ("Connections without OpenSSL's part", COUNT, gauge("parley_c2s_connections_tls_released"),
         "TLS 1.3, with a resource; each of the others takes 14 KiB more (c2s.tls_release)."),
        ("Certificates end in", SECONDS,
         [("min by (host) (parley_c2s_certificate_expiry_timestamp_seconds{$i}) - time()", "{{host}}"),
          ("min(parley_link_certificate_expiry_timestamp_seconds{$i}) - time()", "links")],
         "Of the hosts and, with mutual TLS, of the links."),
        ("Behind load balancers", PER_SECOND, rates("parley_c2s_proxy_headers_total", "outcome"),
         "PROXY protocol: what the header of each connection was."),
        ("Stanzas in", PER_SECOND, rates("parley_c2s_stanzas_in_total", "kind"), ""),
        ("Stanzas out", PER_SECOND,
         [*rates("parley_c2s_stanzas_out_total", "kind"), (rate("parley_c2s_pings_answered_total"), "pongs")],
         "Pongs: answers of the edge itself to pings of the server."),
        ("Bytes", "Bps", [(rate("parley_c2s_bytes_in_total"), "in"), (rate("parley_c2s_bytes_out_total"), "out")], ""),
        ("Waiting for clients to read", BYTES, gauge("parley_c2s_outbound_queue_bytes"), ""),
        ("Not yet taken by routers", COUNT,
         [*gauge("parley_c2s_unacknowledged_stanzas"), *gauge("parley_c2s_deferred_stanzas")], ""),
        ("Deliveries given back", PER_SECOND, rates("parley_c2s_deliveries_refused_total", "reason"), ""),
        ("Repeats recognised", PER_SECOND, rates("parley_c2s_repeats_dropped_total"), ""),
        ("Leases held", COUNT, gauge("parley_c2s_lease_held"),
         "In Redis. Without one nobody can log in at that edge; log lease_refresh_failed has Redis' words."),
        ("Sessions restored", PER_SECOND, rates("parley_c2s_sessions_restored_total"),
         "Put back after a lease or Redis was lost."),
        ("Changes of sessions' states", PER_SECOND, rates("parley_c2s_session_events_total", "event"),
         "ARCHITECTURE.md, Life of a session. impossible: a mistake of ours; please report it."),
        ("Stream management enabled", PER_SECOND, rates("parley_c2s_sm_enabled_total", "outcome"), "XEP-0198."),
        ("Sessions detached", COUNT, gauge("parley_c2s_sessions", labels='state="away"'),
         "Without a stream; they may be resumed, here or on another edge."),
        ("Resumptions", PER_SECOND,
         [*rates("parley_c2s_sm_resumptions_total", "outcome"), (rate("parley_c2s_sm_handovers_total"), "handed over")],
         "here: its own session; claimed: from another edge, or a dead one; handed over: to another."),
        ("Not acknowledged by clients", COUNT, gauge("parley_c2s_sm_unacknowledged_stanzas"),
         "Limit of each session: c2s.sm_max_stanzas."),
        ("Bytes of these", BYTES, gauge("parley_c2s_sm_unacknowledged_bytes"),
         "In memory, and in the sessions' queues in Redis. Limit of each session: c2s.sm_max_bytes."),
        ("Writes of queues in Redis", PER_SECOND, rates("parley_c2s_sm_queue_writes_total", "what"),
         "One append for all that a turn of the loop brings a session; rebuild: Redis had lost it, or others had added."),
        ("Bytes into these queues", "Bps", rates("parley_c2s_sm_queue_bytes_total"),
         "Of stanzas, as Redis gets them: packed, where several came at once (c2s.sm_pack_stanzas)."),
        ("Stanzas packed", PER_SECOND, rates("parley_c2s_sm_packed_total"),
         "With others that came at once. Limit: c2s.sm_pack_stanzas together."),
        ("Wait of a client's <r/>", SECONDS, quantiles("parley_c2s_sm_answer_seconds"),
         "Until routers have taken what came before it, and Redis knows."),
        ("Acknowledgements asked for", PER_SECOND, rates("parley_c2s_sm_requests_total"), ""),
        ("Blocks of messages forgotten", PER_SECOND, rates("parley_c2s_sm_blocks_forgotten_total"),
         "Acknowledged by clients, and followed by c2s.sm_remember_blocks later ones of the same sender: about one for "
         "64 messages where people talk long."),
        ("Written without Redis", PER_SECOND,
         [(rate("parley_c2s_sm_unlogged_total"), "begun"), (rate("parley_c2s_sm_recounted_total"), "counted after a death")],
         "Sessions whose clients acknowledged what no queue has; those that were resumed although their edge died then."),
        ("Limits of stream management", PER_SECOND, rates("parley_c2s_limits_total", "limit", 'limit=~"sm_.*"'),
         "sm_queue: a session ended for its queue; sm_ack_timeout: a stream, for its silence."),
        *link_rows("router", "to routers"),
        CALL_LIMITS,
        *process_rows(),
    ],
}

ROUTER = {
    "title": "Parley: router",
    "uid": "parley-router",
    "service": "router",
    "rows": [
        ("Stanzas taken", PER_SECOND, rates("parley_router_stanzas_total", "kind, leg"), ""),
        ("What came of them", PER_SECOND, rates("parley_router_deliveries_total", "outcome"), ""),
        ("Answered with an error", PER_SECOND, rates("parley_router_bounces_total", "condition"), ""),
        ("iq to the server and to accounts", PER_SECOND, rates("parley_router_iq_total", "feature"), ""),
        ("Sessions bound and ended", PER_SECOND,
         [(rate("parley_router_sessions_bound_total"), "bound"), (rate("parley_router_sessions_ended_total"), "ended")],
         ""),
        ("Accounts and rosters in memory", COUNT,
         [("sum(parley_router_accounts_cached{$i})", "accounts"), ("sum(parley_router_rosters_cached{$i})", "rosters")],
         ""),
        ("Loaded", PER_SECOND,
         [(rate("parley_router_account_loads_total"), "accounts"),
          (rate("parley_router_roster_loads_total"), "rosters")],
         ""),
        ("Work that waits", COUNT, [("sum(parley_router_mailbox{$i})", "mailboxes"),
                                    ("sum(parley_router_parked{$i})", "parked for an edge"),
                                    ("sum(parley_router_storing{$i})", "for the offline store"),
                                    ("sum(parley_router_storing_waiting{$i})", "accounts, for a place there"),
                                    ("sum(parley_router_unsaved{$i})", "accounts that Redis refuses to write"),
                                    ("sum(parley_router_deferred{$i})", "left by sessions, without Redis")], ""),
        ("Routers out of the ring", COUNT, gauge("parley_router_away"),
         "Redis answers others, but not them. They come back by themselves."),
        ("Time with Redis before a return", SECONDS, gauge("parley_router_return_delay_seconds"),
         "Into the ring. It rises for a router that leaves again and again."),
        ("Refused for a limit", PER_SECOND,
         [*rates("parley_router_limits_total", "limit"), (rate("parley_router_mailbox_full_total"), "mailbox"),
          (rate("parley_router_storing_late_total"), "no place for the offline store")], ""),
        ("Ownership", PER_SECOND,
         [(rate("parley_router_write_conflicts_total"), "another was faster"),
          (rate("parley_router_accounts_invalidated_total"), "changed by another"),
          (rate("parley_router_standstills_total"), "stood still meanwhile"),
          (rate("parley_router_diverted_again_total"), "sent again after a resource was bound"),
          (rate("parley_router_stored_rechecked_total"), "sessions for which the store was looked into again"),
          (rate("parley_router_mailbox_repeats_total"), "sent again while they waited"),
          (rate("parley_router_acknowledged_again_total"), "sent again after their recipient's session ended")], ""),
        ("Dead edges and ghosts", PER_SECOND,
         [(rate("parley_router_reaped_nodes_total"), "edges reaped"),
          (rate("parley_router_reaped_sessions_total"), "their sessions"),
          (rate("parley_router_ghost_sessions_total"), "ghosts"),
          (rate("parley_router_undeliverable_total"), "deliveries given back"),
          (rate("parley_router_shared_total"), "waited for an edge, given to another session, too")], ""),
        ("Sessions claimed", PER_SECOND, rates("parley_router_resumptions_total", "outcome"),
         "XEP-0198 resumptions on another edge. busy: told to try again."),
        ("Edges asked to hand over", PER_SECOND, rates("parley_router_handovers_total", "outcome"),
         "gone: the edge had not got it; late: no answer within router.handover_timeout."),
        ("Sessions without an edge", PER_SECOND,
         [(rate("parley_router_orphaned_sessions_total"), "orphaned"),
          (rate("parley_router_expired_sessions_total"), "not resumed in time")], ""),
        ("Changes of sessions' states", PER_SECOND, rates("parley_router_session_events_total", "event"),
         "ARCHITECTURE.md, Life of a session. impossible: a mistake of ours; please report it."),
        ("What sessions left unacknowledged", PER_SECOND, rates("parley_router_unacknowledged_total", "outcome"),
         "ended: other sessions of the account had got it, too."),
        ("Time of the roster service's answers", SECONDS, quantiles("parley_router_roster_ask_seconds"), ""),
        ("Time of session commands in Redis", SECONDS, quantiles("parley_router_redis_seconds"), ""),
        ("Calls of parleyctl and others", PER_SECOND, rates("parley_rpc_calls_total", "method, outcome"), ""),
        *link_rows("accepted", "from edges and routers"),
        *ACCEPTED_ROWS,
        *process_rows(),
    ],
}

ROSTER = {
    "title": "Parley: roster",
    "uid": "parley-roster",
    "service": "roster",
    "rows": [
        ("Questions of routers", PER_SECOND, rates("parley_roster_asks_total", "ask"), ""),
        ("What came of them", PER_SECOND, rates("parley_roster_asks_total", "outcome"), ""),
        ("Time to the answer, p99", SECONDS, slowest("parley_roster_asks_seconds", "ask"), ""),
        ("Account calls", PER_SECOND, rates("parley_roster_account_calls_total", "call, outcome"), ""),
        ("Time of account calls, p99", SECONDS, slowest("parley_roster_account_calls_seconds", "call"), ""),
        ("Under way", COUNT, [("sum(parley_roster_asks_under_way{$i})", "questions"),
                              ("sum(parley_roster_account_calls_under_way{$i})", "account calls")], ""),
        ("Offline messages waiting for a commit", COUNT, gauge("parley_roster_offline_queue"), ""),
        ("Offline messages in a commit", COUNT, quantiles("parley_roster_offline_batch"), ""),
        ("Refused for full queues", PER_SECOND,
         [(rate("parley_roster_offline_refused_total"), "offline messages"),
          (rate("parley_roster_key_refused_total"), "new passwords")], ""),
        ("Passwords waiting to become keys", COUNT, gauge("parley_roster_key_queue"), ""),
        ("Whole accounts out and in", PER_SECOND,
         [(rate("parley_roster_exports_total"), "exported"), (rate("parley_roster_imports_total"), "imported")], ""),
        ("Transactions that failed", PER_SECOND, rates("parley_roster_store_failures_total"), ""),
        *POSTGRES[1:7],
        *ACCEPTED_ROWS,
        *process_rows(),
    ],
}

STORES = {"title": "Parley: stores", "uid": "parley-stores", "rows": [*REDIS, *POSTGRES]}

DASHBOARDS = {"overview": OVERVIEW, "users": USERS, "c2s": C2S, "router": ROUTER, "roster": ROSTER, "stores": STORES}
