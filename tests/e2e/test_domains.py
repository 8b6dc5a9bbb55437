"""Many domains on one cluster: each has its own accounts, settings and certificate; certificates are renewed while
streams go on."""

import asyncio
import ssl

import pytest

from certificates import Authority
from conftest import PASSWORD, World, start_cluster
from rawxmpp import DELAY, SASL, Raw, body, condition, is_message

REGISTER = "jabber:iq:register"
DISCO = "http://jabber.org/protocol/disco#info"


class Hosts:
    """A cluster whose two hosts have certificates of their own and different settings."""

    def __init__(self, directory):
        self.authority = Authority(directory / "authority")
        self.files = {
            domain: self.authority.issue(domain, [f"DNS:{domain}"]) for domain in ("localhost", "second.test")
        }
        settings = ["c2s.certificate_check=1s", "hosts.second.test.registration=false"]
        settings += ["hosts.localhost.admin_addresses=mailto:admin@localhost"]
        for domain, (certificate, key) in self.files.items():
            settings += [f"hosts.{domain}.certificate_file={certificate}", f"hosts.{domain}.key_file={key}"]
        self.cluster = start_cluster(directory / "cluster", settings=settings)
        self.world = World(self.cluster)
        self.world.context = ssl.create_default_context(cafile=self.authority.file)

    def renew(self, domain, days):
        certificate, key = self.files[domain]
        self.authority.issue(domain, [f"DNS:{domain}"], certificate, key, days)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    hosts = Hosts(tmp_path_factory.mktemp("hosts"))
    yield hosts
    hosts.cluster.down()


@pytest.fixture
def world(hosts):
    return hosts.world


async def secured(world, domain, edge=0, sni=None):
    """After STARTTLS with a stream to `domain`; `sni`: another name in TLS."""
    raw = await Raw.connect(world.edges[edge]["xmpp"], domain)
    await raw.open()
    raw.domain = sni or domain
    await raw.starttls(world.context)
    raw.domain = domain
    return raw


def certificate_of(raw):
    return raw.writer.get_extra_info("ssl_object").getpeercert()


def names(certificate):
    return [name for kind, name in certificate["subjectAltName"]]


# -- certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["localhost", "second.test"])
async def test_each_host_shows_its_own_certificate(world, domain):
    raw = await secured(world, domain)
    assert names(certificate_of(raw)) == [domain]
    direct = await Raw.connect(world.edges[1]["xmpps"], domain, direct_tls=alpn(world.context))
    assert names(certificate_of(direct)) == [domain]


def alpn(context):
    context.set_alpn_protocols(["xmpp-client"])
    return context


async def test_client_without_sni_gets_the_certificate_of_the_host_it_named_in_the_stream(hosts, world):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(hosts.authority.file)
    context.check_hostname = False
    raw = await Raw.connect(world.edges[0]["xmpp"], "second.test")
    await raw.open()
    raw.domain = None
    await raw.starttls(context)
    assert names(certificate_of(raw)) == ["second.test"]


async def test_stream_to_one_host_may_not_log_in_to_another(world):
    """TLS was for one host; who then opens a stream to the other is served there, but logs in as its user only."""
    raw = await secured(world, "localhost")
    raw.domain = "second.test"
    features = await raw.open()
    assert features.find(f"{{{SASL}}}mechanisms") is not None
    name = world.account("localhost").split("@")[0]
    assert (await raw.plain(name, PASSWORD)).tag == f"{{{SASL}}}success"
    await raw.open()
    assert (await raw.bind()).startswith(f"{name}@second.test/")


async def test_stream_may_not_change_hosts_once_logged_in(world):
    raw = await secured(world, "localhost")
    await raw.open()
    assert (await raw.plain(world.account().split("@")[0], PASSWORD)).tag == f"{{{SASL}}}success"
    assert condition(await raw.open(to="second.test")) == "host-unknown"


async def test_unknown_host_is_refused(world):
    raw = await Raw.connect(world.edges[0]["xmpp"], "third.test")
    assert condition(await raw.open()) == "host-unknown"


async def until_served(world, domain, edge, old):
    """Connects until another certificate than `old` is shown, which it returns."""
    while True:
        raw = await secured(world, domain, edge)
        shown = certificate_of(raw)
        raw.abort()
        if shown["serialNumber"] != old["serialNumber"]:
            return shown


async def test_renewed_certificate_is_served_and_no_stream_is_dropped(hosts, world):
    romeo, juliet = await world.pair()
    raw = await secured(world, "localhost")
    old = certificate_of(raw)
    other = certificate_of(await secured(world, "second.test"))
    hosts.renew("localhost", days=20)
    for edge in (0, 1):
        shown = await asyncio.wait_for(until_served(world, "localhost", edge, old), 20)
        assert names(shown) == ["localhost"]
    same = certificate_of(await secured(world, "second.test"))
    assert same["serialNumber"] == other["serialNumber"], "only what changed is loaded"
    # The streams of before go on, also one that was in the middle of its negotiation.
    await romeo.message(juliet.jid, "still here")
    assert body(await juliet.until(is_message)) == "still here"
    await raw.open()
    assert (await raw.plain(world.account().split("@")[0], PASSWORD)).tag == f"{{{SASL}}}success"


async def test_certificate_that_cannot_be_read_leaves_the_old_one(hosts, world):
    certificate, _ = hosts.files["second.test"]
    before = certificate_of(await secured(world, "second.test"))
    good = certificate.read_bytes()
    # One that is looked at later and is good tells that this one has been looked at.
    certificate.write_text("no certificate")
    old = certificate_of(await secured(world, "localhost"))
    hosts.renew("localhost", days=10)
    for edge in (0, 1):
        await asyncio.wait_for(until_served(world, "localhost", edge, old), 20)
        shown = certificate_of(await secured(world, "second.test", edge))
        assert shown["serialNumber"] == before["serialNumber"]
    certificate.write_bytes(good)


# -- tenants ----------------------------------------------------------------------------------------------------------


async def login(world, jid, password, edge=0):
    raw = await secured(world, jid.split("@")[1], edge)
    await raw.open()
    answer = await raw.plain(jid.split("@")[0], password)
    if answer.tag != f"{{{SASL}}}success":
        return condition(answer)
    await raw.open()
    await raw.bind()
    return raw


async def test_same_name_on_two_hosts_is_two_accounts(world):
    for domain, word in (("localhost", "first words"), ("second.test", "second words")):
        made = world.cluster.ctl("user", "add", f"twin@{domain}", "--password", word)
        assert made.returncode == 0, made.stderr
    one = await login(world, "twin@localhost", "first words", 0)
    two = await login(world, "twin@second.test", "second words", 1)
    assert await login(world, "twin@localhost", "second words") == "not-authorized"
    assert await login(world, "twin@second.test", "first words") == "not-authorized"
    for raw in (one, two):
        await raw.roster()
        await raw.available()
    await one.iq("set", "<query xmlns='jabber:iq:roster'><item jid='only-mine@localhost'/></query>")
    assert await two.roster() == {}
    await one.message("twin@second.test", "who are you?")
    received = await two.until(is_message)
    assert (received.get("from"), received.find(f"{{{DELAY}}}delay")) == (one.jid, None)
    assert not [e for e in await one.sync() if is_message(e)]


async def test_accounts_of_one_host_are_not_listed_with_the_others(world):
    made = world.cluster.ctl("user", "add", "only-here@second.test", "--password", PASSWORD)
    assert made.returncode == 0, made.stderr
    assert "only-here@second.test" in world.cluster.ctl("user", "list", "second.test").stdout
    assert "only-here" not in world.cluster.ctl("user", "list", "localhost").stdout
    assert await login(world, "only-here@localhost", PASSWORD) == "not-authorized"


async def test_each_host_has_its_own_settings(world):
    offered = {}
    for domain in ("localhost", "second.test"):
        features = await (await secured(world, domain)).open()
        offered[domain] = features.find("{http://jabber.org/features/iq-register}register") is not None
    assert offered == {"localhost": True, "second.test": False}
    raw = await secured(world, "second.test")
    await raw.open()
    assert condition(await raw.iq("get", f"<query xmlns='{REGISTER}'/>")) == "not-allowed"
    for domain, wanted in (("localhost", True), ("second.test", False)):
        session = await world.login(world.account(domain))
        answer = await session.iq("get", f"<query xmlns='{DISCO}'/>", to=domain)
        features = {feature.get("var") for feature in answer.iter(f"{{{DISCO}}}feature")}
        assert (REGISTER in features) is wanted
        assert ("mailto:admin@localhost" in {value.text for value in answer.iter("{jabber:x:data}value")}) is wanted
