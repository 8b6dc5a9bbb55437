"""XEP-0077 through the cluster: accounts that clients make, change and remove in band."""

import itertools

import pytest

from rawxmpp import CLIENT, SASL, Raw, condition, is_message

REGISTER = "jabber:iq:register"
FEATURE = "{http://jabber.org/features/iq-register}register"

_numbers = itertools.count(1)


def newcomer():
    return f"newcomer{next(_numbers)}"


def query(username=None, password=None, extra=""):
    fields = f"<username>{username}</username>" if username is not None else ""
    fields += f"<password>{password}</password>" if password is not None else ""
    return f"<query xmlns='{REGISTER}'>{fields}{extra}</query>"


async def secured(world, edge=0):
    raw = await Raw.connect(world.edges[edge]["xmpp"], "localhost")
    features = await raw.open()
    assert features.find(FEATURE) is None, "nothing to register in the clear"
    await raw.starttls(world.context)
    features = await raw.open()
    assert features.find(FEATURE) is not None
    return raw


async def registered(world, password, edge=0):
    """A new account's bare JID."""
    name = newcomer()
    raw = await secured(world, edge)
    answer = await raw.iq("set", query(name, password))
    assert answer.get("type") == "result"
    raw.abort()
    return f"{name}@localhost"


async def may_log_in(world, jid, password, edge=0):
    raw = await secured(world, edge)
    answer = await raw.plain(jid.split("@")[0], password)
    raw.abort()
    return answer.tag == f"{{{SASL}}}success"


def error(answer):
    return condition(answer), answer.find(f"{{{CLIENT}}}error").get("type")


async def test_account_is_made_on_one_edge_and_used_on_the_other(world):
    raw = await secured(world, 0)
    form = (await raw.iq("get", f"<query xmlns='{REGISTER}'/>")).find(f"{{{REGISTER}}}query")
    assert {child.tag.split("}")[1] for child in form} == {"instructions", "username", "password"}
    name = newcomer()
    assert (await raw.iq("set", query(name, "words"))).get("type") == "result"
    # XEP-0077 3.1: it may go on and log in on the same stream.
    assert (await raw.plain(name, "words")).tag == f"{{{SASL}}}success"
    session = await Raw.login(world.edges[1]["xmpp"], f"{name}@localhost", "words", world.context)
    registered = await session.iq("get", f"<query xmlns='{REGISTER}'/>", to="localhost")
    assert registered.find(f"{{{REGISTER}}}query/{{{REGISTER}}}registered") is not None
    assert registered.find(f"{{{REGISTER}}}query/{{{REGISTER}}}username").text == name
    listed = world.cluster.ctl("user", "list", "localhost").stdout
    assert f"{name}@localhost" in listed


@pytest.mark.parametrize(
    "payload,wanted",
    [
        (query("user0", "words"), ("conflict", "cancel")),
        (query("USER0", "words"), ("conflict", "cancel")),  # the same localpart, prepared (RFC 7622 3.3)
        (query(None, "words"), ("not-acceptable", "modify")),
        (query("some-name", None), ("not-acceptable", "modify")),
        (query("", "words"), ("not-acceptable", "modify")),
        (query("some-name", ""), ("not-acceptable", "modify")),
        (query("a@b", "words"), ("not-acceptable", "modify")),
        (query("a b", "words"), ("not-acceptable", "modify")),
        (query("n" * 2000, "words"), ("not-acceptable", "modify")),
        (query("some-name", "bell&#x85;"), ("not-acceptable", "modify")),  # RFC 8265: no control characters
        (query(extra="<remove/>"), ("registration-required", "auth")),
    ],
)
async def test_bad_registration_is_refused(world, payload, wanted):
    raw = await secured(world)
    assert error(await raw.iq("set", payload)) == wanted
    name = newcomer()
    assert (await raw.iq("set", query(name, "words"))).get("type") == "result", "it may try again"


async def test_stream_ends_after_too_many_bad_registrations(world):
    raw = await secured(world)
    refused = [condition(await raw.iq("set", query("user0", "words"))) for _ in range(5)]
    assert refused == ["conflict"] * 5
    assert condition((await raw.ended())[-1]) == "policy-violation"


async def test_password_is_changed_and_the_session_goes_on(world):
    jid = await registered(world, "old words")
    session = await Raw.login(world.edges[0]["xmpp"], jid, "old words", world.context)
    other = await Raw.login(world.edges[1]["xmpp"], jid, "old words", world.context)
    answer = await session.iq("set", query(jid.split("@")[0], "new words"), to="localhost")
    assert (answer.get("type"), answer.get("from")) == ("result", "localhost")
    for edge in (0, 1):
        assert not await may_log_in(world, jid, "old words", edge)
        assert await may_log_in(world, jid, "new words", edge)
    for one in (session, other):
        await one.sync()


@pytest.mark.parametrize(
    "payload,wanted",
    [
        (query("user1", "new words"), ("not-allowed", "cancel")),  # somebody else's
        (query(None, "new words"), ("bad-request", "modify")),
        (query("{own}", None), ("bad-request", "modify")),
        (query("{own}", ""), ("bad-request", "modify")),
        (query("{own}", "bell&#x85;"), ("not-acceptable", "modify")),
        (query("{own}", "new words", "<remove/>"), ("bad-request", "modify")),
    ],
)
async def test_bad_change_is_refused_and_changes_nothing(world, payload, wanted):
    jid = await registered(world, "words")
    session = await Raw.login(world.edges[1]["xmpp"], jid, "words", world.context)
    answer = await session.iq("set", payload.replace("{own}", jid.split("@")[0]), to="localhost")
    assert error(answer) == wanted
    assert await may_log_in(world, jid, "words")
    assert not await may_log_in(world, jid, "new words")


async def test_others_cannot_change_or_remove_an_account(world):
    victim, thief = await world.pair()
    account = victim.jid.split("/")[0]
    for payload in (query(account.split("@")[0], "stolen"), query(extra="<remove/>")):
        assert error(await thief.iq("set", payload, to=account)) == ("forbidden", "auth")
    assert error(await thief.iq("set", query(extra="<remove/>"), to="second.test"))[0] == "service-unavailable"
    for one in (victim, thief):
        await one.sync()
    listed = world.cluster.ctl("user", "list", "localhost").stdout
    assert account in listed and thief.jid.split("/")[0] in listed


async def test_removed_account_leaves_nothing_behind(world):
    jid = await registered(world, "words")
    session = await Raw.login(world.edges[0]["xmpp"], jid, "words", world.context)
    other = await Raw.login(world.edges[1]["xmpp"], jid, "words", world.context)
    await session.roster()
    await session.available()
    friend = await world.login(world.account(), 1)
    friend_bare = friend.jid.split("/")[0]
    for one, to, kind in ((friend, jid, "subscribe"), (session, friend_bare, "subscribed")):
        await one.presence(type=kind, to=to)
        await (session if one is friend else friend).until(lambda e, kind=kind: e.get("type") == kind)

    await session.send(f"<iq type='set' id='bye'>{query(extra='<remove/>')}</iq>")
    seen = await session.ended()
    assert ("bye", "result") in [(e.get("id"), e.get("type")) for e in seen]
    for ended in (seen, await other.ended()):
        assert condition(ended[-1]) == "not-authorized"
    # RFC 6121 and XEP-0077: contacts see that it is over.
    kinds = set()
    while not {"unsubscribed", "unavailable"} <= kinds:
        element = await friend.receive()
        if (element.get("from") or "").startswith(jid):
            kinds.add(element.get("type"))
    assert not await may_log_in(world, jid, "words")
    await friend.message(jid, "are you there?")
    bounced = await friend.until(is_message)
    assert error(bounced) == ("service-unavailable", "cancel")
    # The name is free, and whoever takes it inherits nothing.
    raw = await secured(world)
    assert (await raw.iq("set", query(jid.split("@")[0], "other words"))).get("type") == "result"
    heir = await Raw.login(world.edges[1]["xmpp"], jid, "other words", world.context)
    assert await heir.roster() == {}
    await heir.available()
    assert not [e for e in await heir.sync() if is_message(e) or e.get("type") == "subscribe"]


async def test_registration_is_refused_where_it_is_closed(own_cluster):
    world = own_cluster(settings=["hosts.*.registration=false"])
    raw = await Raw.connect(world.edges[0]["xmpp"], "localhost")
    await raw.open()
    await raw.starttls(world.context)
    assert (await raw.open()).find(FEATURE) is None
    assert error(await raw.iq("get", f"<query xmlns='{REGISTER}'/>")) == ("not-allowed", "cancel")
    assert error(await raw.iq("set", query("newcomer", "words"))) == ("not-allowed", "cancel")
    session = await world.login(world.account())
    for payload in (query(session.jid.split("@")[0], "new words"), query(extra="<remove/>")):
        assert error(await session.iq("set", payload, to="localhost")) == ("service-unavailable", "cancel")
