"""Clients that come back to another edge than they left: with their TLS session, and hundreds at once."""

import json
import socket
import ssl

import pytest

from managed import PASSWORD
from test_bench import Load

CLIENTS = 400  # half of them on the edge that dies


def handshake(world, edge, version, session=None):
    """The session that the server gave, and whether the one that was offered was taken."""
    context = handshake.contexts.setdefault((id(world), version), ssl.create_default_context(cafile=world.cluster.ca_file))
    context.minimum_version = context.maximum_version = version
    host, port = world.edges[edge]["xmpps"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
            secure.sendall(
                b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
                b"xmlns:stream='http://etherx.jabber.org/streams'>"
            )
            assert b"stream" in secure.recv(4096)  # TLS 1.3 tickets come before it
            return secure.session, secure.session_reused


handshake.contexts = {}  # a session belongs to its context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_session_is_resumed_on_the_other_edge(world, version):
    session, reused = handshake(world, 0, version)
    assert not reused
    session, reused = handshake(world, 1, version, session)
    assert reused
    _, reused = handshake(world, 0, version, session)
    assert reused


def storm(world, directory, *arguments):
    load = Load(world.cluster, directory, "user")
    victim = next(one["pid"] for one in world.cluster.status()["services"] if one["instance"] == "c2s-1")
    users = ["--password", PASSWORD, "--mechanism", "PLAIN", "-n", str(CLIENTS)]
    return load.run("storm", "--kill", str(victim), *users, "--away", "2", "--rate", "50", *arguments)


def test_all_clients_of_a_killed_edge_resume_on_the_other_at_once(own_cluster, tmp_path):
    """Their sessions, with every message that was under way, and their TLS sessions by the tickets of the dead edge."""
    world = own_cluster()
    report = storm(world, tmp_path, "--tls-resume")
    assert report["ok"], json.dumps(report["errors"])
    assert report["delivered"] == report["tls_resumed"] == CLIENTS / 2
    assert report["others_latency_ms"]["p50"] > 0


def test_a_storm_beyond_the_limits_is_admitted_bit_by_bit(own_cluster, tmp_path):
    limits = ["c2s.max_unauthenticated=10", "c2s.max_connections_waiting=20"]
    world = own_cluster(settings=limits)
    report = storm(world, tmp_path, "--concurrency", "4")
    assert report["ok"], json.dumps(report["errors"])
    assert report["delivered"] == CLIENTS / 2
    assert report["retried"] > 0
    metrics = world.cluster.http("c2s-2", "/metrics")[1]
    for limit in ("unauthenticated", "connections_waiting"):
        line = next(line for line in metrics.splitlines() if line.startswith(f'parley_c2s_limits_total{{limit="{limit}"}}'))
        assert float(line.rsplit(" ", 1)[1]) > 0
