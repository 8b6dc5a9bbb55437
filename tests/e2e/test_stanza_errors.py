"""Every stanza error condition of RFC 6120 8.3.3 that this server produces by itself: what is sent, and the condition,
error type, addresses and id that come back.

PROTOCOLS.md, "Errors", says which of the 22 are never the server's own, and why. It does carry those of clients: see
the last test.
"""

import asyncio
from pathlib import Path

import pytest

from rawxmpp import BIND, CLIENT, ROSTER, STANZAS, Raw, condition

PROTOCOLS = (Path(__file__).resolve().parents[2] / "PROTOCOLS.md").read_text()
REGISTER = "jabber:iq:register"
REMOTE = "romeo@elsewhere.example"

# The type that RFC 6120 8.3.3 gives each.
TYPES = {
    "bad-request": "modify",
    "conflict": "cancel",
    "forbidden": "auth",
    "internal-server-error": "cancel",
    "item-not-found": "cancel",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "not-allowed": "cancel",
    "registration-required": "auth",
    "remote-server-not-found": "cancel",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "service-unavailable": "cancel",
}

NEVER = """feature-not-implemented gone not-authorized policy-violation recipient-unavailable redirect
subscription-required undefined-condition unexpected-request""".split()


def test_conditions_that_are_never_sent_are_named_as_such():
    assert len(TYPES) + len(NEVER) == 22
    line = next(line for line in PROTOCOLS.splitlines() if line.startswith("| stanza errors"))
    assert [name for name in [*TYPES, *NEVER] if f"`{name}`:" in line or f"`{name}`," in line] == NEVER


def check(answer, wanted, kind, sender, me, number="e"):
    """RFC 6120 8.3.1: type='error', the same id, the addresses swapped, one condition with its type; 8.3.2: no `by` where
    `from` says who it was."""
    error = answer.find(f"{{{CLIENT}}}error")
    assert (answer.tag, answer.get("type"), answer.get("id")) == (f"{{{CLIENT}}}{kind}", "error", number)
    conditions = [child for child in error if child.tag.startswith(f"{{{STANZAS}}}") and not child.tag.endswith("}text")]
    assert [child.tag for child in conditions] == [f"{{{STANZAS}}}{wanted}"]
    assert error.get("type") == TYPES[wanted]
    assert error.get("by") is None
    assert answer.get("from") == sender
    assert answer.get("to") == me


def roster(item):
    return f"<query xmlns='{ROSTER}'>{item}</query>"


# What is sent; {me}, {bare}: the sender's own full and bare JID; {peer}, {peer_bare}: a user on the other edge who is
# there; {absent}: one who is not. Then the condition, and whom it is from (None: the own account, which need not be said).
TABLE = [
    # bad-request: what no recipient could understand (8.2.3, 8.1.1 and each payload's own rules)
    ("<iq type='get' id='e' to='{peer}'/>", "bad-request", "{peer}"),
    ("<iq type='set' id='e' to='{peer}'><a xmlns='a'/><b xmlns='b'/></iq>", "bad-request", "{peer}"),
    ("<iq type='ask' id='e' to='{peer}'><a xmlns='a'/></iq>", "bad-request", "{peer}"),
    ("<iq type='set' id='e'>" + roster("") + "</iq>", "bad-request", None),
    ("<iq type='set' id='e'>" + roster("<item name='no jid'/>") + "</iq>", "bad-request", None),
    ("<presence id='e'><priority>high</priority></presence>", "bad-request", None),
    ("<presence id='e'><priority>128</priority></presence>", "bad-request", None),
    ("<presence id='e' type='subscribe'/>", "bad-request", None),
    ("<presence id='e' type='sleeping'/>", "bad-request", None),
    # forbidden: another's
    ("<iq type='get' id='e' to='{peer_bare}'>" + roster("") + "</iq>", "forbidden", "{peer_bare}"),
    ("<iq type='set' id='e' to='{peer_bare}'>" + roster("<item jid='x@y'/>") + "</iq>", "forbidden", "{peer_bare}"),
    # item-not-found
    ("<iq type='set' id='e'>" + roster("<item jid='a@b' subscription='remove'/>") + "</iq>", "item-not-found", None),
    ("<iq type='get' id='e' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info' node='no-such'/></iq>",
     "item-not-found", "localhost"),
    # jid-malformed: from the address as it was written
    ("<message id='e' to='@localhost'><body>x</body></message>", "jid-malformed", "@localhost"),
    ("<presence id='e' to='a b@localhost'/>", "jid-malformed", "a b@localhost"),
    ("<iq type='get' id='e' to='localhost/'><a xmlns='a'/></iq>", "jid-malformed", "localhost/"),
    ("<iq type='set' id='e'>" + roster("<item jid='@'/>") + "</iq>", "jid-malformed", None),
    # not-acceptable
    ("<iq type='set' id='e'>" + roster("<item jid='a@b'><group/></item>") + "</iq>", "not-acceptable", None),
    ("<iq type='set' id='e'>" + roster(f"<item jid='a@b' name='{'n' * 2000}'/>") + "</iq>", "not-acceptable", None),
    # not-allowed: RFC 6120 7.1, one resource for each stream
    (f"<iq type='set' id='e'><bind xmlns='{BIND}'/></iq>", "not-allowed", None),
    # remote-server-not-found: RFC 6120 10.4, until federation comes
    (f"<message id='e' to='{REMOTE}'><body>x</body></message>", "remote-server-not-found", REMOTE),
    (f"<message id='e' to='{REMOTE}/x' type='headline'><body>x</body></message>", "remote-server-not-found", REMOTE + "/x"),
    (f"<iq type='get' id='e' to='{REMOTE}'><a xmlns='a'/></iq>", "remote-server-not-found", REMOTE),
    (f"<presence id='e' to='{REMOTE}'/>", "remote-server-not-found", REMOTE),
    (f"<presence id='e' type='subscribe' to='{REMOTE}'/>", "remote-server-not-found", REMOTE),
    ("<iq type='get' id='e' to='chat.localhost'><a xmlns='a'/></iq>", "remote-server-not-found", "chat.localhost"),
    # service-unavailable: RFC 6120 8.4 and 10.5, RFC 6121 8.5
    ("<iq type='get' id='e'><a xmlns='no-such'/></iq>", "service-unavailable", None),
    ("<iq type='set' id='e' to='localhost'><a xmlns='no-such'/></iq>", "service-unavailable", "localhost"),
    ("<iq type='get' id='e' to='localhost/x'><ping xmlns='urn:xmpp:ping'/></iq>", "service-unavailable", "localhost/x"),
    ("<message id='e' to='localhost'><body>x</body></message>", "service-unavailable", "localhost"),
    ("<message id='e' type='chat' to='nobody@localhost'><body>x</body></message>", "service-unavailable", "nobody@localhost"),
    ("<message id='e' type='groupchat' to='{peer_bare}'><body>x</body></message>", "service-unavailable", "{peer_bare}"),
    ("<message id='e' type='normal' to='{absent}/x'><body>x</body></message>", "service-unavailable", "{absent}/x"),
    ("<iq type='get' id='e' to='{absent}/x'><a xmlns='a'/></iq>", "service-unavailable", "{absent}/x"),
    ("<iq type='get' id='e' to='nobody@localhost'><a xmlns='a'/></iq>", "service-unavailable", "nobody@localhost"),
    ("<iq type='get' id='e' to='{peer_bare}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
     "service-unavailable", "{peer_bare}"),
]  # fmt: skip


@pytest.mark.parametrize("edge", [0, 1])
async def test_errors_of_the_established_stream(world, edge):
    session, peer = await world.login(world.account(), edge), await world.login(world.account(), 1 - edge)
    names = {"me": session.jid, "bare": session.jid.split("/")[0], "absent": world.account()}
    names |= {"peer": peer.jid, "peer_bare": peer.jid.split("/")[0]}
    for row, (stanza, wanted, sender) in enumerate(TABLE):
        for key, value in {**names, "id='e'": f"id='e{row}'"}.items():
            stanza = stanza.replace(key if "'" in key else f"{{{key}}}", value)
        await session.send(stanza)
        try:
            answer = await session.until(lambda e: e.get("type") in ("error", "result"))
            check(answer, wanted, stanza[1:].split()[0], sender and sender.format(**names), session.jid, f"e{row}")
        except (AssertionError, asyncio.TimeoutError) as failed:
            raise AssertionError(f"{stanza}: {failed!r}") from None
    for _ in range(2):
        assert not [e for e in await session.sync() if e.get("type") == "error"], "answered once"
    assert not [e for e in await peer.sync() if e.get("type") == "error"], "the peer notices nothing"


async def test_registration_required_is_for_who_has_no_account(own_cluster):
    world = own_cluster(settings=["hosts.localhost.anonymous=true"], counts={"router": 1})
    raw = await before_login(world)
    await raw.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'>=</auth>")
    await raw.receive()
    await raw.open()
    await raw.bind()
    await raw.send(f"<iq type='set' id='e' to='localhost'><query xmlns='{REGISTER}'><remove/></query></iq>")
    check(await raw.receive(), "registration-required", "iq", "localhost", raw.jid)
    # RFC 6121 2.1.1: a roster is the account's.
    await raw.send("<iq type='set' id='e'>" + roster("<item jid='a@b'/>") + "</iq>")
    check(await raw.receive(), "not-allowed", "iq", None, raw.jid)


async def before_login(world, edge=0):
    raw = await Raw.connect(world.edges[edge]["xmpp"], "localhost")
    await raw.open()
    await raw.starttls(world.context)
    await raw.open()
    return raw


async def test_conflict_and_resource_constraint_of_a_bind(own_cluster):
    """RFC 6120 7.7.2.2 and 7.6.2.1."""
    world = own_cluster(settings=["c2s.resource_conflict=refuse-new", "router.max_resources_per_account=2"])
    jid = world.account()
    first = await world.login(jid, 0, "desk")
    raw = await before_login(world, 1)
    await raw.plain(jid.split("@")[0], "correct horse")
    await raw.open()
    for resource, wanted in (("desk", "conflict"), ("phone", None)):
        await raw.send(f"<iq type='set' id='e'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>")
        answer = await raw.receive()
        if wanted:
            check(answer, wanted, "iq", None, None)
        else:
            assert answer.get("type") == "result"
    third = await before_login(world, 0)
    await third.plain(jid.split("@")[0], "correct horse")
    await third.open()
    await third.send(f"<iq type='set' id='e'><bind xmlns='{BIND}'/></iq>")
    check(await third.receive(), "resource-constraint", "iq", None, None)
    assert not await first.sync()


async def test_resource_constraint_of_a_full_roster_and_of_too_much_directed_presence(own_cluster):
    world = own_cluster(settings=["roster.max_items=1", "router.max_directed=1"])
    session, peer = await world.pair()
    for item in ("one@localhost", "two@localhost"):
        answer = await session.iq("set", roster(f"<item jid='{item}'/>"))
    check(answer, "resource-constraint", "iq", None, session.jid, answer.get("id"))
    await session.presence(id="ok", to=peer.jid)
    await session.presence(id="e", to="another@localhost")
    errors = [e for e in await session.sync() if e.get("type") == "error"]
    assert len(errors) == 1
    check(errors[0], "resource-constraint", "presence", "another@localhost", session.jid)


async def test_errors_while_services_are_away(own_cluster):
    """What the cluster answers while a part is missing, and that all is well when it is back."""
    patience = ["c2s.auth_timeout=1s", "router.roster_timeout=1s", "router.roster_doubt_timeout=1s"]
    world = own_cluster(settings=["c2s.no_router_timeout=500ms", *patience])
    session, peer = await world.pair()
    raw = await before_login(world)
    in_thread = asyncio.get_running_loop().run_in_executor
    await in_thread(None, world.cluster.kill, "roster-1")
    register = f"<query xmlns='{REGISTER}'><username>late</username><password>words</password></query>"
    await raw.send(f"<iq type='set' id='e'>{register}</iq>")
    check(await raw.receive(), "internal-server-error", "iq", None, None)
    await session.send("<iq type='set' id='e'>" + roster("<item jid='a@b'/>") + "</iq>")
    check(await session.receive(), "resource-constraint", "iq", None, session.jid)
    for router in ("router-1", "router-2"):
        await in_thread(None, world.cluster.kill, router)
    await session.message(peer.jid, "into the void")
    bounced = await session.receive()
    check(bounced, "remote-server-timeout", "message", peer.jid, session.jid, None)
    await session.send(f"<iq type='get' id='e' to='{peer.jid}'><a xmlns='a'/></iq>")
    check(await session.receive(), "remote-server-timeout", "iq", peer.jid, session.jid)
    for name in ("roster-1", "router-1", "router-2"):
        await in_thread(None, world.cluster.start, name)
    async with asyncio.timeout(20):  # the edges have yet to find the roster service again
        while (await raw.iq("set", register)).get("type") != "result":
            pass
    await session.sync()


async def test_conflict_and_others_of_registration_before_login(world):
    raw = await before_login(world)

    async def register(fields):
        await raw.send(f"<iq type='set' id='e'><query xmlns='{REGISTER}'>{fields}</query></iq>")
        return await raw.receive()

    taken = "<username>user0</username><password>x</password>"
    check(await register(taken), "conflict", "iq", None, None)
    check(await register("<username/>"), "not-acceptable", "iq", None, None)
    check(await register("<remove/>"), "registration-required", "iq", None, None)


async def test_errors_and_results_are_never_answered(world):
    """RFC 6120 8.3.1."""
    session = await world.login(world.account())
    for to in ("nobody@localhost", "nobody@localhost/x", "localhost", "localhost/x", REMOTE, "@"):
        for stanza in ("<message type='error' to='{}'/>", "<presence type='error' to='{}'/>", "<iq type='error' id='e' to='{}'/>",
                       "<iq type='result' id='e' to='{}'/>"):  # fmt: skip
            await session.send(stanza.format(to))
    assert await session.sync() == []


async def test_errors_of_clients_travel_untouched(world):
    """Every condition, also those that the server has no use for, with their contents and an application's own."""
    romeo, juliet = await world.pair()
    for name in [*TYPES, *NEVER]:
        error = f"<error type='cancel' by='{juliet.jid}'><{name} xmlns='{STANZAS}'>xmpp:a@b</{name}><own xmlns='urn:own'/></error>"
        await juliet.send(f"<message type='error' id='{name}' to='{romeo.jid}'>{error}</message>")
        received = await romeo.receive()
        assert (condition(received), received.get("id"), received.get("from")) == (name, name, juliet.jid)
        child = received.find(f"{{{CLIENT}}}error")
        assert child.get("by") == juliet.jid and child.find("{urn:own}own") is not None
        assert child.find(f"{{{STANZAS}}}{name}").text == "xmpp:a@b"
