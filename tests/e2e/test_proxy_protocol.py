"""c2s behind a load balancer that speaks the PROXY protocol, version 2."""

import json
import socket
import ssl
import struct

import pytest

from conftest import PASSWORD, World, start_cluster
from rawxmpp import Ended, Raw

CLIENT = "203.0.113.7"


def header(client):
    addresses = socket.inet_aton(client) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 5222)
    tlv = b"\x04" + struct.pack("!H", 8) + b"padding."  # PP2_TYPE_NOOP
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses + tlv)) + addresses + tlv


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    settings = ["c2s.trusted_proxies=127.0.0.1/32", "log.level=debug"]
    cluster = start_cluster(tmp_path_factory.mktemp("proxied"), settings=settings)
    yield World(cluster)
    cluster.down()


def addresses_of(world, jid):
    return [session["address"] for session in json.loads(world.cluster.ctl("--json", "sessions", "list", jid).stdout)]


async def test_clients_have_their_own_addresses(proxied):
    jid = proxied.account()
    raw = await Raw.connect(proxied.edges[0]["xmpp"], "localhost")
    await raw.send(header(CLIENT))
    await raw.open()
    await raw.starttls(proxied.context)
    await raw.open()
    await raw.plain(jid.split("@")[0], PASSWORD)
    await raw.open()
    await raw.bind()
    assert addresses_of(proxied, jid) == [CLIENT]
    assert CLIENT in (proxied.cluster.directory / "log" / "c2s-1.log").read_text()
    await raw.close()


def test_direct_tls_comes_behind_the_header(proxied):
    host, port = proxied.edges[1]["xmpps"].split(":")
    context = ssl.create_default_context(cafile=proxied.cluster.ca_file)
    context.set_alpn_protocols(["xmpp-client"])
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(header("203.0.113.8"))
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
                           b"to='localhost' version='1.0'>")  # fmt: skip
            assert secure.recv(4096)
    assert "203.0.113.8" in (proxied.cluster.directory / "log" / "c2s-2.log").read_text()


async def test_a_client_without_header_is_closed_and_the_log_says_why(proxied):
    raw = await Raw.connect(proxied.edges[0]["xmpp"], "localhost")
    with pytest.raises((Ended, ConnectionError)):
        await raw.open()
    log = (proxied.cluster.directory / "log" / "c2s-1.log").read_text()
    assert "proxy_header_refused" in log and "malformed" in log
