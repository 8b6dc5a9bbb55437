"""RFC 6121 section 8: where stanzas go. The unit tests of the router walk every row of the delivery table; here the rows
that a client can tell apart, through two edges and two routers."""

import pytest

from rawxmpp import CLIENT, PING, body, condition, is_message, is_presence

TYPES = ["normal", "chat", "groupchat", "headline"]


async def outcome(sender, receivers, to, kind, error=False):
    """Who got it: the numbers of the receivers, and the error's condition where the sender is to get one."""
    await sender.send(f"<message to='{to}' type='{kind}' id='m1'><body>x</body></message>")
    got = set()
    for number, receiver in enumerate(receivers):
        # The sender's ping may overtake a delivery to another edge: a marker sent the same way after it does not.
        await sender.message(receiver.jid, "marker", "chat")
        while body(element := await receiver.until(is_message)) != "marker":
            got.add(number)
            assert element.get("type", "normal") == kind
    if error:
        got.add(condition(await sender.until(lambda e: e.get("type") == "error")))
    return got


@pytest.mark.parametrize("kind", TYPES)
async def test_to_account_that_does_not_exist(world, kind):
    sender = await world.login(world.account())
    for to in ("nobody-at-all@localhost", "nobody-at-all@localhost/x"):
        # 8.5.1 leaves the choice between silence and an error; a message must not get lost unnoticed
        wanted = {"service-unavailable"} if kind != "headline" or "/" in to else set()
        assert await outcome(sender, [], to, kind, error=bool(wanted)) == wanted


# (priorities of the sessions, addressed to, type) -> who gets it. "O": kept offline. RFC 6121 8.5.4, table 1
ROWS = [
    ([5], "bare", "normal", {0}),
    ([5], "bare", "chat", {0}),
    ([5], "bare", "groupchat", {"service-unavailable"}),
    ([5], "bare", "headline", {0}),
    ([-1], "bare", "normal", set()),
    ([-1], "bare", "chat", set()),
    ([-1], "bare", "groupchat", {"service-unavailable"}),
    ([-1], "bare", "headline", set()),
    ([-1], "full", "normal", {0}),
    ([-1], "full", "chat", {0}),
    ([-1], "full", "groupchat", {0}),
    ([-1], "full", "headline", {0}),
    ([5, 5], "bare", "headline", {0, 1}),
    ([5, -1], "bare", "headline", {0}),
    ([5, -1], "bare", "chat", {0}),
    ([9, 1], "full", "chat", {0}),
    ([9, 1], "missing", "chat", {0}),
    ([-1], "missing", "chat", set()),
]


@pytest.mark.parametrize("priorities,addressed,kind,wanted", ROWS)
async def test_to_account_with_sessions(world, priorities, addressed, kind, wanted):
    sender, jid = await world.login(world.account()), world.account()
    receivers = []
    for number, priority in enumerate(priorities):
        receiver = await world.login(jid, edge=number % 2, available=False)
        await receiver.available(priority)
        receivers.append(receiver)
    to = {"bare": jid, "full": receivers[0].jid, "missing": f"{jid}/missing"}[addressed]
    got = await outcome(sender, receivers, to, kind, error="service-unavailable" in wanted)
    if kind == "chat" and addressed in ("bare", "missing") and len([p for p in priorities if p >= 0]) > 1:
        # 8.5.2.1.1: the most available one, or all: either is right, the first must have it
        assert 0 in got
    else:
        assert got == wanted


@pytest.mark.parametrize("kind,stored", [("normal", True), ("chat", True), ("headline", False), ("groupchat", False)])
async def test_only_chat_and_normal_wait_for_an_absent_user(world, kind, stored):
    sender, jid = await world.login(world.account()), world.account()
    await sender.send(f"<message to='{jid}' type='{kind}' id='m1'><body>later</body></message>")
    if kind == "groupchat":
        assert condition(await sender.until(lambda e: e.get("type") == "error")) == "service-unavailable"
    await sender.sync()
    # The account's home handles one thing after the other: with this answered, the message has been dealt with.
    await sender.iq("get", f"<ping xmlns='{PING}'/>", to=jid)
    receiver = await world.login(jid, edge=1)
    await sender.message(receiver.jid, "marker")
    seen = []
    while body(element := await receiver.until(is_message)) != "marker":
        seen.append(body(element))
    assert seen == (["later"] if stored else [])


async def test_message_without_to_goes_to_oneself(world):
    jid = world.account()
    phone, laptop = await world.login(jid, 0), await world.login(jid, 1, available=False)
    await laptop.available(10)
    await phone.send("<message type='headline'><body>note to self</body></message>")
    assert body(await laptop.until(is_message)) == "note to self"
    assert body(await phone.until(is_message)) == "note to self"


async def test_iq_to_full_jid_is_answered_by_that_client_exactly_once(world):
    romeo, juliet = await world.pair()
    await romeo.send(f"<iq type='get' id='x1' to='{juliet.jid}'><query xmlns='urn:example:q'/></iq>")
    request = await juliet.until(lambda e: e.tag == f"{{{CLIENT}}}iq")
    assert (request.get("from"), request.get("id")) == (romeo.jid, "x1")
    await juliet.send(f"<iq type='result' id='x1' to='{romeo.jid}'><query xmlns='urn:example:q'><a/></query></iq>")
    answer = await romeo.until(lambda e: e.tag == f"{{{CLIENT}}}iq")
    assert (answer.get("type"), answer.get("from"), answer.get("id")) == ("result", juliet.jid, "x1")
    assert await romeo.sync() == []


@pytest.mark.parametrize(
    "to,payload,wanted",
    [
        ("localhost", "<query xmlns='urn:example:unknown'/>", "service-unavailable"),
        (None, "<query xmlns='urn:example:unknown'/>", "service-unavailable"),
        ("{self}", "<query xmlns='urn:example:unknown'/>", "service-unavailable"),
        ("{other}", "<query xmlns='urn:example:unknown'/>", "service-unavailable"),
        ("{other}/none", f"<ping xmlns='{PING}'/>", "service-unavailable"),
        ("nobody-at-all@localhost", f"<ping xmlns='{PING}'/>", "service-unavailable"),
        ("nowhere.invalid", f"<ping xmlns='{PING}'/>", "remote-server-not-found"),
        ("user@nowhere.invalid/x", f"<ping xmlns='{PING}'/>", "remote-server-not-found"),
        ("sub.localhost", f"<ping xmlns='{PING}'/>", "remote-server-not-found"),
        ("@localhost", f"<ping xmlns='{PING}'/>", "jid-malformed"),
        ("localhost", "", "bad-request"),
        ("localhost", "<a xmlns='urn:a'/><b xmlns='urn:b'/>", "bad-request"),
    ],
)
@pytest.mark.parametrize("kind", ["get", "set"])
async def test_iq_that_nobody_serves_gets_one_error(world, to, payload, wanted, kind):
    romeo = await world.login(world.account())
    to = to and to.format(self=romeo.jid.split("/")[0], other=world.account())
    answer = await romeo.iq(kind, payload, to)
    assert (answer.get("type"), condition(answer)) == ("error", wanted)
    assert await romeo.sync() == []


@pytest.mark.parametrize("kind", ["result", "error"])
async def test_answers_to_nothing_are_dropped_without_an_error(world, kind):
    romeo = await world.login(world.account())
    error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    for to in ("localhost", world.account(), f"{world.account()}/gone", "nobody@localhost"):
        await romeo.send(f"<iq type='{kind}' id='z' to='{to}'>{error if kind == 'error' else ''}</iq>")
        await romeo.send(f"<message type='error' id='z' to='{to}'>{error}</message>")
    assert await romeo.sync() == []


async def test_from_is_stamped_and_stanza_arrives_untouched(world):
    romeo, juliet = await world.pair()
    inside = (
        "<x xmlns='urn:example:x' xmlns:p='urn:example:p' p:a='1 &lt; 2'><p:y>&amp;\u00e9\U0001f600</p:y><z xmlns=''/></x>"
    )
    await romeo.send(f"<message to='{juliet.jid}' id='a&amp;b' xml:lang='it'><body>ciao</body>{inside}</message>")
    got = await juliet.until(is_message)
    assert got.get("from") == romeo.jid and got.get("id") == "a&b"
    assert got.get("{http://www.w3.org/XML/1998/namespace}lang") == "it"
    x = got.find("{urn:example:x}x")
    assert x.get("{urn:example:p}a") == "1 < 2"
    assert x.findtext("{urn:example:p}y") == "&\u00e9\U0001f600"
    assert x.find("z") is not None


async def test_order_holds_between_messages_presence_and_iq(world):
    romeo, juliet = await world.friends()
    for number in range(60):
        await romeo.message(juliet.jid, f"{number}")
        if number % 3 == 0:
            await romeo.presence(f"<status>{number}</status>")
        if number % 7 == 0:
            await romeo.send(f"<iq type='get' id='{number}' to='{juliet.jid}'><q xmlns='urn:example:q'/></iq>")
    seen = []
    while not seen or seen[-1] != ("message", "59"):
        element = await juliet.receive()
        kind = element.tag.split("}")[1]
        seen.append((kind, {"message": body(element), "iq": element.get("id")}.get(kind, element.findtext(f"{{{CLIENT}}}status"))))
    wanted = []
    for number in range(60):
        wanted.append(("message", str(number)))
        if number % 3 == 0:
            wanted.append(("presence", str(number)))
        if number % 7 == 0:
            wanted.append(("iq", str(number)))
    assert seen == wanted[: len(seen)]


async def test_presence_to_unknown_or_remote_address_is_answered_or_ignored_as_the_rfc_says(world):
    romeo = await world.login(world.account())
    await romeo.presence(to="nobody-at-all@localhost")
    assert await romeo.sync() == []
    await romeo.presence(to="nobody@nowhere.invalid")
    answers = await romeo.sync()
    assert [condition(e) for e in answers if is_presence(e)] in ([], ["remote-server-not-found"])
