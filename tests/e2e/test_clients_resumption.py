"""Real clients whose TCP connection breaks, and who resume their sessions (XEP-0198) on another edge by themselves."""

import asyncio

import aioxmpp
import pytest_asyncio

from conftest import PASSWORD
from rawxmpp import body, is_message, is_presence
from tcpproxy import CUT, FREE, Link
from test_clients_aioxmpp import chat, inbox, take
from test_clients_slixmpp import SECONDS, Client


class Detour:
    """An address that leads to one edge, and after a cut to the other."""

    def __init__(self, world):
        self.targets = [int(edge["xmpp"].rsplit(":", 1)[1]) for edge in world.edges]
        self.link = Link(self.targets[0])
        self.port = None

    def cut(self):
        self.link.turn(CUT)

    def mend(self):
        self.link.target = self.targets[1]
        self.link.turn(FREE)


@pytest_asyncio.fixture
async def detour(world):
    detour = Detour(world)
    detour.port = await detour.link.listen()
    return detour


async def befriend(contact, bare):
    """`bare` approves by itself."""
    await contact.presence(type="subscribe", to=bare)
    return await contact.until(lambda e: is_presence(e) and e.get("type") is None and e.get("from") != contact.jid)


async def no_flicker(contact):
    assert not [e for e in await contact.sync() if e.get("type") == "unavailable"]


async def test_slixmpp_resumes_on_the_other_edge(world, detour):
    contact = await world.login(world.account(), 1)
    client = Client(world, world.account())
    client.auto_authorize = True
    client.register_plugin("xep_0198")
    resumed = asyncio.get_running_loop().create_future()
    client.add_event_handler("session_resumed", resumed.set_result)
    address = ("127.0.0.1", detour.port)
    client.connect(address, force_starttls=True)
    assert await asyncio.wait_for(client.online, SECONDS)
    await client.get_roster()
    client.send_presence()
    full = (await befriend(contact, client.boundjid.bare)).get("from")
    assert full == client.boundjid.full
    again = lambda event: resumed.done() or client.connect(address, force_starttls=True)
    client.add_event_handler("disconnected", again)
    detour.cut()
    for number in range(5):
        await contact.message(full, str(number))
    await no_flicker(contact)
    detour.mend()
    await asyncio.wait_for(resumed, SECONDS)
    assert [(await client.next(client.messages))["body"] for _ in range(5)] == [str(number) for number in range(5)]
    client.send_message(contact.jid, "back", mtype="chat")
    heard = await contact.until(is_message)
    assert (heard.get("from"), body(heard)) == (full, "back")
    await no_flicker(contact)
    await client.disconnect(wait=2)
    for task in asyncio.all_tasks():
        if task.get_coro().__name__ == "run_filters":  # slixmpp leaves it running
            task.cancel()


async def test_aioxmpp_resumes_on_the_other_edge(world, detour):
    contact = await world.login(world.account(), 1)
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(world.account()),
        aioxmpp.make_security_layer(PASSWORD, no_verify=True),
        override_peer=[("127.0.0.1", detour.port, aioxmpp.connector.STARTTLSConnector())],
    )
    client.backoff_start = client.backoff_start / 4
    heard = inbox(client)
    resumed, lost = asyncio.Event(), asyncio.Event()
    client.on_stream_resumed.connect(resumed.set)
    client.on_stream_destroyed.connect(lambda reason=None: lost.set())
    roster = client.summon(aioxmpp.RosterClient)
    roster.on_subscribe.connect(lambda stanza: roster.approve(stanza.from_))
    async with client.connected():
        full = (await befriend(contact, str(client.local_jid.bare()))).get("from")
        assert client.stream.sm_enabled
        detour.cut()
        for number in range(5):
            await contact.message(full, str(number))
        await no_flicker(contact)
        # Sent without a connection: the library keeps it.
        sending = client.enqueue(chat(aioxmpp.JID.fromstr(contact.jid), "written underground"))
        detour.mend()
        await asyncio.wait_for(resumed.wait(), SECONDS)
        assert not lost.is_set()
        assert [(await take(heard)).body.any() for _ in range(5)] == [str(number) for number in range(5)]
        await sending
        mine = await contact.until(is_message)
        assert (mine.get("from"), body(mine)) == (full, "written underground")
        await no_flicker(contact)
