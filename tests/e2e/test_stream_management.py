"""XEP-0198, version 1.6: enabling stream management, and acknowledgements."""

import pytest

from conftest import OURS, PASSWORD
from managed import ACK, ENABLED, FAILED, RESUMED, Managed
from managed import authenticated, bodies, managed, resumed, send_numbered
from rawxmpp import PING, SM, STREAMS, body, condition, is_message

STREAM_ERROR = f"{{{STREAMS}}}error"
OFFER = f"{{{SM}}}sm"


# -- enabling ---------------------------------------------------------------------------------------------------------


async def test_offered_once_authenticated(world):
    account = world.account()
    raw = await Managed.connect(world.edges[0]["xmpp"], "localhost")
    assert (await raw.open()).find(OFFER) is None
    await raw.starttls(world.context)
    assert (await raw.open()).find(OFFER) is None
    assert (await raw.plain(account.split("@")[0], PASSWORD)).tag.endswith("success")
    assert (await raw.open()).find(OFFER) is not None


async def test_enable_before_binding_is_unexpected_and_does_no_harm(world):
    raw = await authenticated(world, world.account())
    answer = await raw.enable()
    assert (answer.tag, condition(answer)) == (FAILED, "unexpected-request")
    await raw.bind()
    assert (await raw.enable()).tag == ENABLED


async def test_not_for_strangers(world):
    """Also not if they know the id of a session, which does not suffer."""
    owner = await managed(world, world.account(), OURS)
    for name, attributes in (("enable", {}), ("resume", {"previd": owner.sm_id, "h": 0})):
        for secured in (False, True):
            raw = await Managed.connect(world.edges[OURS]["xmpp"], "localhost")
            await raw.open()
            if secured:
                await raw.starttls(world.context)
                await raw.open()
            answer = await raw.ask(name, **attributes)
            assert (answer.tag, condition(answer)) == (FAILED, "unexpected-request")
            assert condition(await raw.until(lambda e: e.tag == STREAM_ERROR)) == "not-authorized"
    assert await owner.server_h() == 2, "its roster and its presence"


@pytest.mark.parametrize("asked", ["true", "1"])
async def test_enabled_says_id_and_time(world, asked):
    raw = await Managed.login(world.edges[0]["xmpp"], world.account(), PASSWORD, world.context)
    answer = await raw.enable(resume=asked)
    assert answer.tag == ENABLED
    assert answer.get("resume") in ("true", "1")
    assert len(answer.get("id")) >= 15, "less than 90 bits: guessable"
    assert 0 < int(answer.get("max")) <= 300
    assert answer.get("location") is None


async def test_shorter_time_asked_for_is_given(world):
    raw = await Managed.login(world.edges[0]["xmpp"], world.account(), PASSWORD, world.context)
    assert (await raw.enable(max=7)).get("max") == "7"


async def test_longer_time_than_configured_is_not_given(world):
    raw = await Managed.login(world.edges[0]["xmpp"], world.account(), PASSWORD, world.context)
    assert (await raw.enable(max=100000)).get("max") == "300"


async def test_location_where_configured(brief):
    raw = await Managed.login(brief.edges[0]["xmpp"], brief.account(), PASSWORD, brief.context)
    assert (await raw.enable()).get("location") == "chat.example:5222"


@pytest.mark.parametrize("asked", [{}, {"resume": "false"}, {"resume": "0"}])
async def test_without_resumption_the_session_ends_with_its_connection(world, asked):
    user, contact = await world.friends()
    bare = user.jid.split("/")[0]
    raw = await Managed.login(world.edges[0]["xmpp"], bare, PASSWORD, world.context)
    answer = await raw.ask("enable", **asked)
    assert answer.tag == ENABLED
    assert answer.get("resume") in (None, "false", "0")
    await raw.presence()
    await contact.until(lambda e: e.get("from") == raw.jid)
    assert await raw.server_h() == 1
    raw.abort()
    gone = await contact.until(lambda e: e.get("from") == raw.jid)
    assert gone.get("type") == "unavailable"


async def test_enable_twice_is_refused_and_ends_the_stream(world):
    raw = await managed(world, world.account(), OURS)
    answer = await raw.enable()
    assert (answer.tag, condition(answer)) == (FAILED, "unexpected-request")
    assert condition((await raw.ended())[-1]) == "policy-violation"


@pytest.mark.parametrize(
    "text",
    ["<enable xmlns='urn:xmpp:sm:3' resume='perhaps'/>", "<enable xmlns='urn:xmpp:sm:3' max='-5' resume='true'/>"],
)
async def test_malformed_enable_is_answered(world, text):
    raw = await Managed.login(world.edges[0]["xmpp"], world.account(), PASSWORD, world.context)
    await raw.send(text)
    assert (await raw.receive()).tag in (ENABLED, FAILED, STREAM_ERROR)


# -- acknowledgements -------------------------------------------------------------------------------------------------


async def test_h_counts_stanzas_and_nothing_else(world):
    raw = await managed(world, world.account(), available=False)
    assert await raw.server_h() == 0
    await raw.send(" \n ")
    await raw.presence()
    await raw.message("localhost", "an error comes back, and it is handled all the same")
    await raw.acknowledge()
    await raw.send(f"<iq type='get' id='p'><ping xmlns='{PING}'/></iq>")
    await raw.send(f"<r xmlns='{SM}'/> <r xmlns='{SM}'/>")
    assert [int((await raw.until(lambda e: e.tag == ACK)).get("h")) for _ in range(2)] == [3, 3]


async def test_request_with_the_last_stanza_is_answered_with_it(world):
    """All at once: the answer waits for what was sent before."""
    romeo, juliet = await managed(world, world.account()), await world.login(world.account(), 1)
    before = await romeo.server_h()
    text = "".join(f"<message to='{juliet.jid}' type='chat'><body>{n}</body></message>" for n in range(20))
    await romeo.send(text + f"<r xmlns='{SM}'/>")
    h = int((await romeo.until(lambda e: e.tag == ACK)).get("h"))
    assert h == before + 20
    assert await bodies(juliet, 20) == [str(n) for n in range(20)]


async def test_server_asks_and_takes_answers(world):
    romeo, juliet = await managed(world, world.account()), await world.login(world.account(), 1)
    await send_numbered(juliet, romeo.jid, range(220))
    await bodies(romeo, 220)
    assert romeo.asked, "220 stanzas and nobody asked"
    await romeo.acknowledge()
    asked = romeo.asked
    await juliet.message(romeo.jid, "one more")
    await romeo.until(is_message)
    while romeo.asked == asked:  # in time, for a single stanza, too
        await romeo._fill()
    again, _ = await resumed(world, romeo, 1)
    assert not [e for e in await again.sync() if is_message(e)], "acknowledged ones came again"


async def test_acknowledging_too_much_ends_the_stream(world):
    raw = await managed(world, world.account(), available=False)
    await raw.sync()
    await raw.acknowledge(raw.handled + 1)
    error = (await raw.ended())[-1]
    assert (error.tag, condition(error)) == (STREAM_ERROR, "undefined-condition")
    detail = error.find(f"{{{SM}}}handled-count-too-high")
    assert (detail.get("h"), detail.get("send-count")) == (str(raw.handled + 1), str(raw.handled))


@pytest.mark.parametrize("ack", ["<a xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='many'/>"])
async def test_acknowledgement_that_is_none_ends_the_stream(world, ack):
    raw = await managed(world, world.account(), available=False)
    await raw.send(ack)
    assert (await raw.ended())[-1].tag == STREAM_ERROR


async def test_what_comes_after_bad_xml_is_not_handled(world):
    # Edge 1, which ./parley test upgrade has of this release: one of 0.1 may give an h from before what it is just passing on.
    romeo, juliet = await managed(world, world.account(), 1), await world.login(world.account(), 0)
    h = await romeo.server_h()
    message = f"<message to='{juliet.jid}' type='chat'><body>{{}}</body></message>"
    await romeo.send(message.format("good") + "<message><body></message>" + message.format("no"))
    assert condition((await romeo.ended())[-1]) == "not-well-formed"
    assert body(await juliet.until(is_message)) == "good"
    raw = await authenticated(world, romeo.jid, 1)
    answer = await raw.resume(romeo)
    assert answer.get("h") in (None, str(h + 1))
    await raw.sync() if answer.tag == RESUMED else await raw.bind()
    assert not [e for e in await juliet.sync() if is_message(e)]
