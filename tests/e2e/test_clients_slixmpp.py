"""slixmpp (Python), with the library's own TLS, SASL, roster and disco code."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import slixmpp

from conftest import PASSWORD
from rawxmpp import Raw, condition

SECONDS = 15
REGISTER = "jabber:iq:register"


class Client(slixmpp.ClientXMPP):
    """Collects what arrives in queues, so that tests can wait for it."""

    def __init__(self, world, jid, mechanism=None):
        super().__init__(jid, PASSWORD, sasl_mech=mechanism)
        self.ca_certs = str(world.cluster.ca_file)
        self.online = asyncio.get_running_loop().create_future()
        self.messages, self.subscriptions, self.presences = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        self.auto_authorize = None
        self.add_event_handler("session_start", lambda event: self.online.set_result(True))
        self.add_event_handler("failed_auth", lambda event: self.online.done() or self.online.set_result(False))
        self.add_event_handler("message", self.messages.put_nowait)
        self.add_event_handler("presence_subscribe", self.subscriptions.put_nowait)
        for kind in ("available", "dnd", "unavailable"):
            self.add_event_handler(f"presence_{kind}", self.presences.put_nowait)
        for plugin in ("xep_0030", "xep_0092", "xep_0199", "xep_0202", "xep_0077", "xep_0203"):
            self.register_plugin(plugin)

    async def next(self, queue):
        return await asyncio.wait_for(queue.get(), SECONDS)

    async def presence_of(self, jid, kind):
        while True:
            seen = await self.next(self.presences)
            if seen["from"].full == jid and seen["type"] == kind:
                return seen


@asynccontextmanager
async def online(world, jid, edge=0, mechanism=None, direct_tls=False):
    client = Client(world, jid, mechanism)
    host, port = world.edges[edge]["xmpps" if direct_tls else "xmpp"].split(":")
    client.connect((host, int(port)), use_ssl=direct_tls, force_starttls=not direct_tls, disable_starttls=direct_tls)
    try:
        assert await asyncio.wait_for(client.online, SECONDS), "authentication failed"
        yield client
    finally:
        await client.disconnect(wait=2)
        for task in asyncio.all_tasks():
            if task.get_coro().__name__ == "run_filters":  # slixmpp leaves it running
                task.cancel()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "PLAIN", None])
async def test_logs_in_by_each_mechanism(world, mechanism):
    """None: what the library chooses by itself. SCRAM without -PLUS: see below, and test_clients_programs."""
    async with online(world, world.account(), mechanism=mechanism) as client:
        assert client.boundjid.resource


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
async def test_stripped_plus_mechanisms_are_noticed(world, mechanism):
    """Forced so, slixmpp says "I could bind channels but you offer no -PLUS": somebody must have taken the offer out
    (RFC 5802 section 6)."""
    with pytest.raises(AssertionError, match="authentication failed"):
        async with online(world, world.account(), mechanism=mechanism):
            pass


async def test_logs_in_over_direct_tls(world):
    async with online(world, world.account(), direct_tls=True) as client:
        assert client.boundjid.resource


async def test_roster_subscription_and_presence_life_cycle(world):
    romeo_jid, juliet_jid = world.accounts(2)
    async with online(world, romeo_jid, 0) as romeo, online(world, juliet_jid, 1) as juliet:
        for client in (romeo, juliet):
            await client.get_roster()
            client.send_presence()
        await romeo.update_roster(juliet_jid, name="Juliet", groups=["Verona"])
        romeo.send_presence_subscription(juliet_jid)
        assert (await juliet.next(juliet.subscriptions))["from"].bare == romeo_jid
        juliet.send_presence_subscription(romeo_jid, ptype="subscribed")
        await romeo.presence_of(juliet.boundjid.full, "available")
        item = romeo.client_roster[juliet_jid]
        assert (item["name"], item["groups"], item["subscription"]) == ("Juliet", ["Verona"], "to")
        juliet.send_presence(pshow="dnd", pstatus="asleep")
        assert (await romeo.presence_of(juliet.boundjid.full, "dnd"))["status"] == "asleep"
        await romeo.del_roster_item(juliet_jid)
        other = await world.login(romeo_jid)
        assert juliet_jid not in await other.roster()


async def test_capabilities_are_found(world):
    """XEP-0115, with the library's own code on both sides: presence, then the question that follows from it."""
    romeo_jid, juliet_jid = world.accounts(2)
    async with online(world, romeo_jid, 0) as romeo, online(world, juliet_jid, 1) as juliet:
        for client in (romeo, juliet):
            client.register_plugin("xep_0115")
        juliet["xep_0030"].add_feature("urn:example:only-juliet")
        await juliet["xep_0115"].update_caps(preserve=False)
        juliet.send_presence(pto=romeo.boundjid.full)
        async with asyncio.timeout(SECONDS):
            while not (caps := await romeo["xep_0115"].get_caps(juliet.boundjid)):
                await romeo["xep_0199"].ping("localhost")
        assert "urn:example:only-juliet" in caps["features"]


async def test_chat_online_offline_and_to_several_resources(world):
    romeo_jid, juliet_jid = world.accounts(2)
    async with online(world, romeo_jid) as romeo:
        romeo.send_message(mto=juliet_jid, mbody="while you were out", mtype="chat")
        await romeo["xep_0199"].ping(romeo_jid)
        async with online(world, f"{juliet_jid}/balcony", 1) as balcony:
            balcony.send_presence()
            late = await balcony.next(balcony.messages)
            assert late["body"] == "while you were out" and late["delay"]["stamp"]
            async with online(world, f"{juliet_jid}/garden", 0) as garden:
                garden.send_presence()
                romeo.send_message(mto=f"{juliet_jid}/garden", mbody="in the garden", mtype="chat")
                assert (await garden.next(garden.messages))["body"] == "in the garden"
                romeo.send_message(mto=f"{juliet_jid}/balcony", mbody="on the balcony", mtype="chat")
                assert (await balcony.next(balcony.messages))["body"] == "on the balcony"


async def test_services_answer_through_the_library(world):
    async with online(world, world.account()) as client:
        info = await client["xep_0030"].get_info(jid="localhost")
        features = set(info["disco_info"]["features"])
        assert {"http://jabber.org/protocol/disco#info", "urn:xmpp:ping", "jabber:iq:version", "urn:xmpp:time"} <= features
        assert ("server", "im") in {(category, kind) for category, kind, *_ in info["disco_info"]["identities"]}
        assert await client["xep_0199"].ping("localhost") >= 0
        version = await client["xep_0092"].get_version("localhost")
        assert version["software_version"]["name"] == "Parley"
        time = await client["xep_0202"].get_entity_time("localhost")
        # Not ["utc"]: this slixmpp appends a second Z to what XEP-0082 says must end in one.
        assert time.xml.findtext("{urn:xmpp:time}time/{urn:xmpp:time}utc").endswith("Z")


async def test_error_is_raised_as_the_librarys_exception(world):
    async with online(world, world.account()) as client:
        with pytest.raises(slixmpp.exceptions.IqError) as refused:
            await client["xep_0199"].send_ping("localhost/no-such", timeout=5)
        assert refused.value.condition in ("service-unavailable", "item-not-found")
        with pytest.raises(slixmpp.exceptions.IqError) as refused:
            await client["xep_0030"].get_info(jid="nobody-there@localhost/x")
        assert refused.value.condition == "service-unavailable"


async def test_account_is_registered_changed_and_removed_in_band(world):
    """The registration itself is done raw: slixmpp holds back what is sent before its session starts."""
    jid = "slix-newcomer@localhost"
    raw = await Raw.connect(world.edges[0]["xmpp"], "localhost")
    await raw.open()
    await raw.starttls(world.context)
    features = await raw.open()
    assert features.find("{http://jabber.org/features/iq-register}register") is not None
    fields = await raw.iq("get", f"<query xmlns='{REGISTER}'/>")
    assert {child.tag.split("}")[1] for child in fields[0]} >= {"username", "password"}
    account = f"<username>slix-newcomer</username><password>{PASSWORD}</password>"
    assert (await raw.iq("set", f"<query xmlns='{REGISTER}'>{account}</query>")).get("type") == "result"
    assert condition(await raw.iq("set", f"<query xmlns='{REGISTER}'>{account}</query>")) in ("conflict", "not-allowed")
    raw.abort()
    async with online(world, jid) as client:
        await client["xep_0077"].change_password("new words", jid="localhost")
    with pytest.raises(AssertionError, match="authentication failed"):
        async with online(world, jid):
            pass
    session = await Raw.login(world.edges[1]["xmpp"], jid, "new words", world.context)
    await session.send(f"<iq type='set' id='r'><query xmlns='{REGISTER}'><remove/></query></iq>")
    seen = await session.ended()
    assert seen[0].get("type") == "result" or condition(seen[-1]) == "not-authorized"
    assert jid not in world.cluster.ctl("user", "list", "localhost").stdout
