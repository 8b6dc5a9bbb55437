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


def is_empty(answer):
    """Of slixmpp's iq, which gets an empty query when it is looked for."""
    sent = answer.xml.find(f"{{{ROSTER}}}query")
    return sent is None or (len(sent), sent.get("ver")) == (0, None)


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
        assert is_empty(answer), "what it has is not sent again"
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
        assert is_empty(answer)
        assert client.client_roster.version == known


class Kept:
    """aioxmpp's roster service: what it was answered, and what it told of afterwards."""

    def __init__(self, client, kept=None):
        self.answers, self.told = [], []
        self.roster = client.summon(aioxmpp.RosterClient)
        if kept:
            self.roster.import_from_json(kept)
        self.there = asyncio.get_running_loop().create_future()
        self.roster.on_initial_roster_received.connect(lambda: self.there.done() or self.there.set_result(True))
        for what in ("added", "removed", "name_changed"):
            signal = getattr(self.roster, f"on_entry_{what}")
            signal.connect(lambda item, what=what: self.told.append((what, str(item.jid))))
        send = client.send

        async def watched(stanza, **options):
            answer = await send(stanza, **options)
            if isinstance(getattr(stanza, "payload", None), aioxmpp.roster.xso.Query):
                self.answers.append(answer)
            return answer

        client.send = watched

    async def received(self, client):
        await asyncio.wait_for(self.there, SECONDS)
        await aioxmpp.ping.ping(client, aioxmpp.JID.fromstr("localhost"))  # pushes come before its answer
        return self.roster.export_as_json()


async def test_aioxmpp_gets_what_changed(world):
    jid = world.account()
    other = await world.login(jid, 1)
    await change(other, BEFORE)
    client = client_for(world, jid)
    first = Kept(client)
    async with client.connected():
        kept = await first.received(client)
    assert len(kept["items"]) == 3 and kept["ver"]
    await change(other, MEANWHILE)

    client = client_for(world, jid)
    second = Kept(client, kept)
    async with client.connected():
        known = await second.received(client)
    assert second.answers == [None], "an empty result: what it has is not sent again"
    assert sorted(second.told) == [
        ("added", "rosaline@localhost"), ("name_changed", "nurse@localhost"), ("removed", "tybalt@localhost"),
    ]  # fmt: skip
    assert {contact: item.get("name", "") for contact, item in known["items"].items()} == AFTER
    assert known["ver"] != kept["ver"]

    client = client_for(world, jid)
    third = Kept(client, known)
    async with client.connected():
        assert await third.received(client) == known
    assert (third.answers, third.told) == ([None], [])
