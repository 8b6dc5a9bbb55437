"""Every SASL mechanism through the cluster, by a client library where one knows it, and what is refused.

slixmpp: SCRAM-SHA-1-PLUS, SCRAM-SHA-256-PLUS and PLAIN (test_clients_slixmpp.py), EXTERNAL here. aioxmpp: SCRAM-SHA-1,
SCRAM-SHA-256, PLAIN and ANONYMOUS. libstrophe and go-sendxmpp choose for themselves."""

import base64
import json
import ssl

import aiosasl
import aioxmpp
import pytest

from certificates import Authority
from conftest import PASSWORD, World, start_cluster
from rawxmpp import ROSTER, SASL, Raw, body, condition, is_message
from test_clients_slixmpp import Client as SlixmppClient
from test_clients_slixmpp import online


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def open_world(tmp_path_factory, authority):
    """localhost takes anonymous users and client certificates; second.test neither, nor PLAIN."""
    settings = ["hosts.localhost.anonymous=true", "hosts.localhost.external=true"]
    settings += [f"hosts.localhost.client_ca_file={authority.file}", "hosts.second.test.plain=false"]
    cluster = start_cluster(tmp_path_factory.mktemp("logins"), settings=settings)
    yield World(cluster)
    cluster.down()


def mechanism_of(world, jid):
    """What the cluster says how this session logged in."""
    listed = world.cluster.ctl("--json", "sessions", "list", jid)
    assert listed.returncode == 0, listed.stderr
    return [session["mechanism"] for session in json.loads(listed.stdout)]


def mechanisms(features):
    return {element.text for element in features.iter(f"{{{SASL}}}mechanism")}


async def secured(world, domain="localhost", edge=0, certificate=None):
    """A connection after STARTTLS, and the features that it offers then."""
    context = ssl.create_default_context(cafile=world.cluster.ca_file)
    if certificate:
        context.load_cert_chain(*certificate)
    raw = await Raw.connect(world.edges[edge]["xmpp"], domain)
    await raw.open()
    await raw.starttls(context)
    return raw, await raw.open()


async def auth(raw, mechanism, message):
    """The server's answer to an exchange of one message; bytes, or None for the empty one."""
    text = "=" if message is None else base64.b64encode(message).decode()
    await raw.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>")
    return await raw.receive()


def succeeded(answer):
    return answer.tag == f"{{{SASL}}}success"


# -- passwords, by libraries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"])
async def test_aioxmpp_logs_in_by_each_mechanism(world, monkeypatch, mechanism):
    """The library's own code; only its choice is narrowed."""
    for known in (aiosasl.SCRAM, aiosasl.PLAIN):
        choose = known.any_supported
        monkeypatch.setattr(known, "any_supported", lambda offered, choose=choose: choose({*offered} & {mechanism}))
    jid = world.account()
    host, port = world.edges[1]["xmpp"].split(":")
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid),
        aioxmpp.make_security_layer(PASSWORD, no_verify=True),
        override_peer=[(host, int(port), aioxmpp.connector.STARTTLSConnector())],
    )
    async with client.connected():
        assert mechanism_of(world, jid) == [mechanism]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "PLAIN"])
async def test_slixmpp_logs_in_by_the_mechanism_that_it_was_told(world, mechanism):
    jid = world.account()
    async with online(world, jid, mechanism=mechanism):
        assert mechanism_of(world, jid) == [mechanism]


async def test_wrong_password_and_unknown_user_look_the_same(world):
    for edge, user in enumerate((world.account().split("@")[0], "nobody-of-that-name")):
        raw, _ = await secured(world, edge=edge)
        assert condition(await raw.plain(user, "wrong")) == "not-authorized"
        # RFC 6120 6.4.5: it may try again.
        assert condition(await raw.plain(user, "wrong again")) == "not-authorized"
        raw.abort()


async def test_host_without_plain_refuses_it(open_world):
    raw, features = await secured(open_world, "second.test")
    assert mechanisms(features) >= {"SCRAM-SHA-256", "SCRAM-SHA-1"} and "PLAIN" not in mechanisms(features)
    assert condition(await raw.plain("user0", PASSWORD)) == "mechanism-too-weak"


async def test_mechanism_for_another_user_is_refused(world):
    romeo, juliet = world.accounts(2)
    raw, _ = await secured(world)
    message = f"{juliet}\0{romeo.split('@')[0]}\0{PASSWORD}".encode()
    assert condition(await auth(raw, "PLAIN", message)) == "invalid-authzid"
    message = message.replace(juliet.encode(), romeo.encode())
    assert succeeded(await auth(raw, "PLAIN", message)), "one's own address may be said"


# -- ANONYMOUS --------------------------------------------------------------------------------------------------------


async def anonymous(world, edge=0):
    raw, features = await secured(world, edge=edge)
    assert "ANONYMOUS" in mechanisms(features)
    assert succeeded(await auth(raw, "ANONYMOUS", b"trace"))
    await raw.open()
    await raw.bind()
    return raw


async def test_anonymous_user_chats_and_is_gone_with_its_stream(open_world):
    guest, other = await anonymous(open_world), await anonymous(open_world, 1)
    assert guest.jid.split("/")[0] != other.jid.split("/")[0]
    host = await open_world.login(open_world.account(), 1)
    await guest.available()
    await guest.message(host.jid, "hello, stranger")
    received = await host.until(is_message)
    assert (body(received), received.get("from")) == ("hello, stranger", guest.jid)
    await host.message(guest.jid, "welcome")
    assert body(await guest.until(is_message)) == "welcome"
    await guest.close()
    await host.message(guest.jid, "too late")
    bounced = await host.until(lambda e: e.get("type") == "error")
    assert (condition(bounced), bounced.get("from")) == ("service-unavailable", guest.jid)


async def test_anonymous_user_has_no_account(open_world):
    """XEP-0175: no roster, no password, no address of its own choice."""
    guest = await anonymous(open_world)
    item = f"<query xmlns='{ROSTER}'><item jid='friend@localhost'/></query>"
    assert condition(await guest.iq("set", item)) == "not-allowed"
    register = "<query xmlns='jabber:iq:register'><username>x</username><password>y</password></query>"
    assert condition(await guest.iq("set", register)) == "registration-required"
    listed = open_world.cluster.ctl("user", "list", "localhost").stdout
    assert guest.jid.split("@")[0] not in listed


async def test_anonymous_is_refused_where_it_is_not_allowed(open_world):
    raw, features = await secured(open_world, "second.test")
    assert "ANONYMOUS" not in mechanisms(features)
    assert condition(await auth(raw, "ANONYMOUS", b"trace")) == "invalid-mechanism"


async def test_aioxmpp_logs_in_as_an_anonymous_user(open_world):
    host, port = open_world.edges[1]["xmpp"].split(":")
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr("localhost"),
        aioxmpp.make_security_layer(None, anonymous="trace", no_verify=True),
        override_peer=[(host, int(port), aioxmpp.connector.STARTTLSConnector())],
    )
    async with client.connected():
        assert client.local_jid.localpart and client.local_jid.domain == "localhost"
        assert mechanism_of(open_world, str(client.local_jid)) == ["ANONYMOUS"]


# -- EXTERNAL (XEP-0178) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [0, 1])
async def test_slixmpp_logs_in_with_a_certificate(open_world, authority, monkeypatch, edge):
    jid = open_world.account()
    certificate, key = authority.issue_client(jid)
    prepare = SlixmppClient.__init__

    def with_certificate(self, *arguments, **named):
        prepare(self, *arguments, **named)
        self.certfile, self.keyfile = str(certificate), str(key)

    monkeypatch.setattr(SlixmppClient, "__init__", with_certificate)
    async with online(open_world, jid, edge, mechanism="EXTERNAL"):
        assert mechanism_of(open_world, jid) == ["EXTERNAL"]


async def test_certificate_with_one_address_needs_no_authzid(open_world, authority):
    jid = open_world.account()
    raw, features = await secured(open_world, certificate=authority.issue_client(jid))
    assert "EXTERNAL" in mechanisms(features)
    assert succeeded(await auth(raw, "EXTERNAL", None))
    await raw.open()
    await raw.bind("by-certificate")
    assert raw.jid == f"{jid}/by-certificate"


async def test_certificate_with_several_addresses_needs_to_be_told(open_world, authority):
    certificate = authority.issue_client(*open_world.accounts(2))
    raw, _ = await secured(open_world, certificate=certificate)
    assert condition(await auth(raw, "EXTERNAL", None)) == "invalid-authzid"
    raw, _ = await secured(open_world, certificate=authority.issue_client(*(pair := open_world.accounts(2))))
    assert succeeded(await auth(raw, "EXTERNAL", pair[1].encode()))


async def test_certificate_of_another_is_refused(open_world, authority):
    romeo, juliet = open_world.accounts(2)
    raw, _ = await secured(open_world, certificate=authority.issue_client(romeo))
    assert condition(await auth(raw, "EXTERNAL", juliet.encode())) == "invalid-authzid"
    assert condition(await auth(raw, "EXTERNAL", b"no address@@")) == "invalid-authzid"
    assert succeeded(await auth(raw, "EXTERNAL", romeo.encode())), "it may try again"


async def test_certificate_of_no_account_is_refused(open_world, authority):
    for jids in (["nobody-there@localhost"], ["user0@second.test"], []):
        raw, _ = await secured(open_world, certificate=authority.issue_client(*jids))
        assert condition(await auth(raw, "EXTERNAL", None)) == "not-authorized"
        raw.abort()


async def test_without_a_certificate_external_is_not_offered(open_world):
    raw, features = await secured(open_world)
    assert "EXTERNAL" not in mechanisms(features) and "PLAIN" in mechanisms(features)
    assert condition(await auth(raw, "EXTERNAL", None)) == "invalid-mechanism"


async def test_untrusted_certificate_proves_nothing(open_world, tmp_path):
    """Either TLS itself refuses it, or EXTERNAL is not offered (XEP-0178 section 2)."""
    stranger = Authority(tmp_path / "stranger", "Somebody else's CA")
    try:
        raw, features = await secured(open_world, certificate=stranger.issue_client(open_world.account()))
    except (ConnectionError, ssl.SSLError, AssertionError):
        return
    except Exception as error:  # the connection ended
        assert type(error).__name__ in ("Ended", "ExpatError"), error
        return
    assert "EXTERNAL" not in mechanisms(features)
    assert condition(await auth(raw, "EXTERNAL", None)) == "invalid-mechanism"


async def test_other_host_does_not_ask_for_certificates(open_world, authority):
    jid = open_world.account("second.test")
    raw, features = await secured(open_world, "second.test", certificate=authority.issue_client(jid))
    assert "EXTERNAL" not in mechanisms(features)
    assert condition(await auth(raw, "EXTERNAL", None)) == "invalid-mechanism"
