"""Roster versioning (RFC 6121 2.6) with real clients that kept a roster: what changed while they were away comes as
pushes, the rest does not come at all."""

import asyncio

import aioxmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from rawxmpp import ROSTER, condition
from test_clients_aioxmpp import SECONDS, client_for
from test_clients_slixmpp import online


def query(items):
    return f"<query xmlns='{ROSTER}'>{items}</query>"


async def change(session, items):
    for item in items:
        answer = await session.iq("set", query(f"<item {item}/>"))
        assert answer.get("type") == "result", condition(answer)


BEFORE = ["jid='nurse@localhost' name='Nurse'", "jid='tybalt@localhost' name='Tybalt'", "jid='paris@localhost'"]
# Away: one is renamed, one goes, one is new, and one that comes and goes was never there.
MEANWHILE = ["jid='nurse@localhost' name='Angelica'", "jid='tybalt@localhost' subscription='remove'",
             "jid='rosaline@localhost' name='Rosaline'", "jid='peter@localhost'",
             "jid='peter@localhost' subscription='remove'"]  # fmt: skip
AFTER = {"nurse@localhost": "Angelica", "paris@localhost": "", "rosaline@localhost": "Rosaline"}


def names(roster):
    """Of slixmpp's roster; it keeps removed items, with no subscription at all."""
    return {jid: roster[jid]["name"] for jid in roster.keys() if jid in AFTER}


async def test_slixmpp_gets_what_changed(world):
    jid = world.account()
    other = await world.login(jid, 1)
    await change(other, BEFORE)
    async with online(world, jid) as client:
        await client.get_roster()
        version = client.client_roster.version
        kept = {contact: client.client_roster[contact]["name"] for contact in client.client_roster.keys()}
    assert version and kept.keys() >= {"nurse@localhost", "tybalt@localhost", "paris@localhost"}
    await change(other, MEANWHILE)

    async with online(world, jid) as client:
        roster = client.client_roster
        roster.version = version
        for contact, name in kept.items():
            roster[contact]["name"] = name
        pushes = []
        client.register_handler(
            Callback("pushes", StanzaPath("iq@type=set/roster"), lambda iq: pushes.append(dict(iq["roster"]["items"])))
        )
        answer = await client.get_roster()
        assert answer.xml.find(f"{{{ROSTER}}}query") is None, "what it has is no more sent again"
        await client["xep_0199"].ping("localhost")  # pushes come before its answer
        touched = [(str(contact), item["subscription"]) for items in pushes for contact, item in items.items()]
        assert sorted(touched) == [
            ("nurse@localhost", "none"), ("peter@localhost", "remove"),
            ("rosaline@localhost", "none"), ("tybalt@localhost", "remove"),
        ]  # fmt: skip
        assert names(roster) == AFTER
        assert roster.version not in ("", version)
        known = roster.version
    async with online(world, jid) as client:
        client.client_roster.version = known
        answer = await client.get_roster()
        assert answer.xml.find(f"{{{ROSTER}}}query") is None
        assert client.client_roster.version == known


class CountingRoster(aioxmpp.RosterClient):
    pushes = 0

    @aioxmpp.service.iq_handler(aioxmpp.structs.IQType.SET, aioxmpp.roster.xso.Query)
    async def handle_roster_push(self, iq):
        self.pushes += 1
        return await super().handle_roster_push(iq)


async def connected_roster(client, kept=None):
    """The roster service, once it has said that the roster is there."""
    roster = client.summon(CountingRoster)
    if kept:
        roster.import_from_json(kept)
    there = asyncio.get_running_loop().create_future()
    roster.on_initial_roster_received.connect(lambda: there.done() or there.set_result(True))
    return roster, there


async def test_aioxmpp_gets_what_changed(world):
    jid = world.account()
    other = await world.login(jid, 1)
    await change(other, BEFORE)
    client = client_for(world, jid)
    roster, there = await connected_roster(client)
    async with client.connected():
        await asyncio.wait_for(there, SECONDS)
        kept = roster.export_as_json()
    assert len(kept["items"]) == 3 and kept["ver"]
    await change(other, MEANWHILE)

    client = client_for(world, jid)
    roster, there = await connected_roster(client, kept)
    async with client.connected():
        await asyncio.wait_for(there, SECONDS)
        await aioxmpp.ping.ping(client, aioxmpp.JID.fromstr("localhost"))  # pushes come before its answer
        assert roster.pushes == 4
        assert {str(contact): item.name or "" for contact, item in roster.items.items()} == AFTER
        known = roster.export_as_json()
    assert known["ver"] != kept["ver"]

    client = client_for(world, jid)
    roster, there = await connected_roster(client, known)
    async with client.connected():
        await asyncio.wait_for(there, SECONDS)
        await aioxmpp.ping.ping(client, aioxmpp.JID.fromstr("localhost"))
        assert (roster.pushes, roster.export_as_json()) == (0, known)
