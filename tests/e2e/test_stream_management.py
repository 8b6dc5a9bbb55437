"""XEP-0198, version 1.6: enabling, acknowledgements, resumption on this and on other nodes, and what becomes of sessions
that nobody resumes."""

import asyncio
import signal

import pytest

from conftest import PASSWORD, own_world
from managed import ACK, COUNTED, ENABLED, FAILED, RESUMED, Managed
from rawxmpp import PING, SM, STREAMS, Raw, body, condition, is_message, is_presence
from test_faults import eventually, in_thread

STREAM_ERROR = f"{{{STREAMS}}}error"
OFFER = f"{{{SM}}}sm"
BRIEFLY = "c2s.sm_resume_timeout=1500ms"


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """A cluster where nobody may be away for long; nothing in it is broken by tests."""
    yield from own_world(tmp_path_factory.mktemp("brief"), [BRIEFLY, "c2s.sm_location=chat.example:5222"])


async def managed(world, jid, edge=0, resource=None, available=True, **attributes):
    """Bound, with stream management; available to contacts, as World.login()."""
    raw = await Managed.login(world.edges[edge]["xmpp"], jid, PASSWORD, world.context, resource)
    answer = await raw.enable(**attributes)
    assert answer.tag == ENABLED, answer.tag
    if available:
        await raw.roster()
        await raw.available()
    return raw


async def authenticated(world, jid, edge=0):
    return await Managed.authenticated(world.edges[edge]["xmpp"], jid.split("/")[0], PASSWORD, world.context)


async def resumed(world, old, edge=0, h=None):
    raw = await authenticated(world, old.jid, edge)
    answer = await raw.resume(old, h)
    assert answer.tag == RESUMED, condition(answer)
    assert answer.get("previd") == old.sm_id
    return raw, int(answer.get("h"))


async def friends(world, edge=0, **attributes):
    """A user with stream management and a contact without, on another edge; nothing left to receive."""
    user = await managed(world, world.account(), edge, **attributes)
    contact = await world.login(world.account(), 1 - edge)
    for one, other in ((user, contact), (contact, user)):
        await one.presence(type="subscribe", to=other.jid.split("/")[0])
        await other.until(lambda e: e.get("type") == "subscribe")
        await other.presence(type="subscribed", to=one.jid.split("/")[0])
        await one.until(lambda e: e.get("type") is None and e.get("from") == other.jid)
    for one in (user, contact, user, contact):
        await one.sync()
    return user, contact


async def send_numbered(raw, to, numbers, kind="chat"):
    for number in numbers:
        await raw.message(to, str(number), kind)


async def bodies(raw, count):
    return [body(await raw.until(is_message)) for _ in range(count)]


def presences(elements):
    return [(element.get("from"), element.get("type")) for element in elements if is_presence(element)]


async def unavailable_once(contact, jid):
    """Waits for it, and sees to it that nothing else of that JID comes."""
    gone = await contact.until(is_presence)
    assert (gone.get("from"), gone.get("type")) == (jid, "unavailable")
    assert not presences(await contact.sync())


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
    raw = await Managed.connect(world.edges[0]["xmpp"], "localhost")
    await raw.open()
    await raw.starttls(world.context)
    await raw.open()
    answer = await raw.ask("resume", previd="x", h=0)
    assert answer.tag in (FAILED, STREAM_ERROR)


@pytest.mark.parametrize("asked", ["true", "1"])
async def test_enabled_says_id_and_time(world, asked):
    raw = await Managed.login(world.edges[0]["xmpp"], world.account(), PASSWORD, world.context)
    answer = await raw.enable(resume=asked)
    assert answer.tag == ENABLED
    assert answer.get("resume") in ("true", "1")
    assert len(answer.get("id")) >= 16, "guessable"
    assert 0 < int(answer.get("max")) <= 300
    assert answer.get("location") is None


async def test_shorter_time_asked_for_is_given(world):
    raw = await Managed.login(world.edges[0]["xmpp"], world.account(), PASSWORD, world.context)
    assert (await raw.enable(max=7)).get("max") == "7"


async def test_location_where_configured(brief):
    raw = await Managed.login(brief.edges[0]["xmpp"], brief.account(), PASSWORD, brief.context)
    assert (await raw.enable()).get("location") == "chat.example:5222"


@pytest.mark.parametrize("asked", [{"resume": "false"}, {"resume": "0"}, {"resume": "true", "remove": True}])
async def test_without_resumption_the_session_ends_with_its_connection(world, asked):
    user, contact = await world.friends()
    bare = user.jid.split("/")[0]
    raw = await Managed.login(world.edges[0]["xmpp"], bare, PASSWORD, world.context)
    if asked.pop("remove", None):
        answer = await raw.ask("enable")
    else:
        answer = await raw.enable(**asked)
    assert answer.tag == ENABLED
    assert answer.get("resume") in (None, "false", "0")
    await raw.presence()
    await contact.until(lambda e: e.get("from") == raw.jid)
    assert await raw.server_h() == 1
    raw.abort()
    gone = await contact.until(lambda e: e.get("from") == raw.jid)
    assert gone.get("type") == "unavailable"


async def test_enable_twice_is_refused(world):
    raw = await managed(world, world.account())
    answer = await raw.enable()
    assert answer.tag in (FAILED, STREAM_ERROR)
    if answer.tag == FAILED:
        assert condition(answer) == "unexpected-request"


@pytest.mark.parametrize(
    "text", ["<enable xmlns='urn:xmpp:sm:3' resume='perhaps'/>", "<enable xmlns='urn:xmpp:sm:3' max='-5' resume='true'/>"]
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
    await send_numbered(juliet, romeo.jid, range(60))
    await bodies(romeo, 60)
    assert romeo.asked, "60 stanzas and nobody asked"
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
    romeo, juliet = await managed(world, world.account()), await world.login(world.account(), 1)
    h = await romeo.server_h()
    message = "<message to='{}' type='chat'><body>{}</body></message>"
    await romeo.send(message.format(juliet.jid, "good") + "<message><body></message>" + message.format(juliet.jid, "no"))
    assert condition((await romeo.ended())[-1]) == "not-well-formed"
    assert body(await juliet.until(is_message)) == "good"
    raw = await authenticated(world, romeo.jid)
    answer = await raw.resume(romeo)
    assert answer.get("h") in (None, str(h + 1))
    await raw.sync() if answer.tag == RESUMED else await raw.bind()
    assert not [e for e in await juliet.sync() if is_message(e)]


# -- resumption -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [0, 1])
async def test_resumes_with_what_came_meanwhile_and_nobody_notices(world, edge):
    romeo, juliet = await friends(world)
    bare = romeo.jid.split("/")[0]
    sent_before = await romeo.server_h()
    romeo.abort()
    await send_numbered(juliet, romeo.jid, range(5))
    await send_numbered(juliet, bare, range(5, 8))
    assert not presences(await juliet.sync())
    again, h = await resumed(world, romeo, edge)
    assert h == sent_before
    assert await bodies(again, 8) == [str(n) for n in range(8)]
    await again.message(juliet.jid, "here I am")
    got = await juliet.until(is_message)
    assert (got.get("from"), body(got)) == (romeo.jid, "here I am")
    assert not presences(await juliet.sync())
    # What was known about him still is.
    other = await world.login(juliet.jid.split("/")[0], edge)
    assert (await other.until(lambda e: e.get("from") == romeo.jid)).get("type") is None
    assert world.cluster.ctl("sessions", "list", bare).stdout.count(bare) == 1


@pytest.mark.parametrize("edge", [0, 1])
async def test_sends_again_exactly_what_h_does_not_cover(world, edge):
    romeo, juliet = await managed(world, world.account()), await world.login(world.account(), 1)
    await send_numbered(juliet, romeo.jid, range(10))
    await bodies(romeo, 10)
    romeo.abort()
    again, _ = await resumed(world, romeo, edge, h=romeo.handled - 3)
    assert await bodies(again, 3) == ["7", "8", "9"]
    assert not [e for e in await again.sync() if is_message(e)]


@pytest.mark.parametrize("edge", [0, 1])
async def test_what_the_client_sends_again_comes_once_and_in_order(world, edge):
    """Cut at any moment, again and again: h decides what is sent once more."""
    romeo, juliet = await managed(world, world.account()), await world.login(world.account(), 1 - edge)
    h = await romeo.server_h()
    number = 0
    for cut in range(12):
        unhandled = [str(n) for n in range(number, number + 10)]
        number += 10
        while unhandled:
            for text in unhandled:
                await romeo.message(juliet.jid, text)
            if cut % 3:
                await romeo.server_h()
            romeo.abort()
            romeo, now = await resumed(world, romeo, edge if cut % 2 else 0)
            unhandled, h = unhandled[now - h :], now
    assert await bodies(juliet, number) == [str(n) for n in range(number)]
    await romeo.sync()
    assert not [e for e in await juliet.sync() if is_message(e)]


async def test_walks_from_edge_to_edge(world):
    romeo, juliet = await friends(world)
    for step in range(6):
        romeo.abort()
        await juliet.message(romeo.jid, str(step))
        romeo, _ = await resumed(world, romeo, (step + 1) % 2)
        assert await bodies(romeo, 1) == [str(step)]
    assert not presences(await juliet.sync())


async def test_unknown_session_is_not_found_and_a_resource_can_be_bound(world):
    raw = await authenticated(world, world.account())
    answer = await raw.ask("resume", previd="no such session", h=0)
    assert (answer.tag, condition(answer), answer.get("h")) == (FAILED, "item-not-found", None)
    await raw.bind()
    assert (await raw.enable()).tag == ENABLED
    assert await raw.server_h() == 0


@pytest.mark.parametrize("attributes", [{}, {"previd": "x"}, {"h": "0"}, {"previd": "x", "h": "-1"}])
async def test_malformed_resume_is_answered(world, attributes):
    raw = await authenticated(world, world.account())
    answer = await raw.ask("resume", **attributes)
    assert answer.tag in (FAILED, STREAM_ERROR)


async def test_resume_after_binding_is_unexpected(world):
    romeo = await managed(world, world.account())
    raw = await Managed.login(world.edges[0]["xmpp"], romeo.jid.split("/")[0], PASSWORD, world.context)
    answer = await raw.resume(romeo)
    assert (answer.tag, condition(answer)) == (FAILED, "unexpected-request")
    await romeo.sync()  # not disturbed


@pytest.mark.parametrize("edge", [0, 1])
async def test_nobody_resumes_the_session_of_another(world, edge):
    romeo, juliet = await friends(world)
    thief = await authenticated(world, world.account(), edge)
    answer = await thief.resume(romeo)
    assert (answer.tag, condition(answer)) == (FAILED, "item-not-found")
    assert answer.get("h") is None
    await juliet.message(romeo.jid, "still you?")
    assert await bodies(romeo, 1) == ["still you?"]


@pytest.mark.parametrize("edge", [0, 1])
async def test_session_still_connected_is_taken_over(world, edge):
    romeo, juliet = await friends(world)
    again, _ = await resumed(world, romeo, edge)
    assert condition((await romeo.ended())[-1]) == "conflict"
    await juliet.message(romeo.jid, "which of you?")
    assert await bodies(again, 1) == ["which of you?"]
    assert not presences(await juliet.sync())


async def test_of_many_who_resume_at_once_one_has_the_session(world):
    romeo, juliet = await friends(world)
    romeo.abort()
    await juliet.message(romeo.jid, "to one of you")
    rivals = [await authenticated(world, romeo.jid, n % 2) for n in range(6)]
    answers = await asyncio.gather(*(rival.resume(romeo) for rival in rivals))
    assert any(answer.tag == RESUMED for answer in answers)

    async def fate(rival, answer):
        """Whether it lives."""
        if answer.tag != RESUMED:
            return False
        try:
            return await rival.server_h() >= 0
        except Exception:
            return False

    fates = await asyncio.gather(*(fate(*pair) for pair in zip(rivals, answers)))
    assert sum(fates) == 1, [(answer.tag, alive) for answer, alive in zip(answers, fates)]
    winner = rivals[fates.index(True)]
    await juliet.message(romeo.jid, "and another")
    assert "and another" in [body(e) for e in [await winner.until(lambda e: body(e) == "and another")]]
    assert not presences(await juliet.sync())


async def test_resuming_with_an_h_too_high_is_refused(world):
    romeo, juliet = await friends(world)
    romeo.abort()
    raw = await authenticated(world, romeo.jid)
    answer = await raw.resume(romeo, h=romeo.handled + 100)
    assert answer.tag in (FAILED, STREAM_ERROR)
    if answer.tag == STREAM_ERROR:
        assert answer.find(f"{{{SM}}}handled-count-too-high") is not None


async def test_binding_the_resource_anew_ends_the_absent_session(world):
    romeo, juliet = await friends(world, resource="orchard")
    bare = romeo.jid.split("/")[0]
    romeo.abort()
    await send_numbered(juliet, bare, range(3))
    await juliet.sync()
    new = await managed(world, bare, 1, "orchard", available=False)
    await new.presence()
    assert await bodies(new, 3) == ["0", "1", "2"]
    late = await authenticated(world, bare)
    assert condition(await late.resume(romeo)) == "item-not-found"


# -- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [0, 1])
async def test_closed_stream_ends_the_session_at_once(world, edge):
    romeo, juliet = await friends(world)
    await romeo.acknowledge()
    await romeo.close()
    await unavailable_once(juliet, romeo.jid)
    raw = await authenticated(world, romeo.jid, edge)
    assert condition(await raw.resume(romeo)) == "item-not-found"
    await raw.bind()


@pytest.mark.parametrize("edge", [0, 1])
async def test_session_whose_time_is_over_ends_once_and_its_messages_are_kept(brief, edge):
    romeo, juliet = await friends(brief)
    bare = romeo.jid.split("/")[0]
    handled = await romeo.server_h()
    romeo.abort()
    await send_numbered(juliet, bare, range(3))
    await send_numbered(juliet, romeo.jid, range(3, 6))
    await juliet.message(romeo.jid, "for this resource only", "normal")
    await juliet.send(f"<iq type='get' id='too late' to='{romeo.jid}'><ping xmlns='{PING}'/></iq>")
    seen = []

    async def everything_decided():
        seen.append(await juliet.receive())
        return len(seen) == 3

    await eventually(everything_decided)
    assert presences(seen) == [(romeo.jid, "unavailable")]
    refused = {(e.tag.split("}")[1], e.get("type"), condition(e)) for e in seen if not is_presence(e)}
    assert refused == {("message", "error", "service-unavailable"), ("iq", "error", "service-unavailable")}
    raw = await authenticated(brief, bare, edge)
    answer = await raw.resume(romeo)
    assert (answer.tag, condition(answer), answer.get("h")) == (FAILED, "item-not-found", str(handled))
    await raw.bind()
    await raw.presence()
    letters = [await raw.until(is_message) for _ in range(6)]
    assert [body(letter) for letter in letters] == [str(n) for n in range(6)]
    assert all(letter.find("{urn:xmpp:delay}delay") is not None for letter in letters)
    assert not [e for e in await raw.sync() if is_message(e)]
    assert not [p for p in presences(await juliet.sync()) if p[1] == "unavailable"]


async def test_unacknowledged_copy_of_one_resource_does_not_come_twice_to_the_other(brief):
    account = brief.account()
    away, here = await managed(brief, account, 0, "away"), await managed(brief, account, 1, "here")
    sender = await brief.login(brief.account(), 1)
    away.abort()
    await send_numbered(sender, account, range(3))
    assert await bodies(here, 3) == ["0", "1", "2"]
    await here.until(lambda e: is_presence(e) and e.get("type") == "unavailable")
    assert not [e for e in await here.sync() if is_message(e)]


async def test_queue_that_is_too_long_ends_the_session_and_keeps_the_messages(own_cluster):
    world = own_cluster(settings=["c2s.sm_max_stanzas=20"])
    romeo, juliet = await friends(world)
    romeo.abort()
    await send_numbered(juliet, romeo.jid, range(40))
    await unavailable_once(juliet, romeo.jid)
    raw = await world.login(romeo.jid.split("/")[0], 1, available=False)
    await raw.presence()
    assert await bodies(raw, 40) == [str(n) for n in range(40)]


async def test_client_that_does_not_answer_is_away_not_lost(own_cluster):
    world = own_cluster(settings=["c2s.sm_ack_timeout=1s", "c2s.sm_request_delay=100ms"])
    romeo, juliet = await friends(world)
    await juliet.message(romeo.jid, "are you there?")
    await romeo.ended()
    again, _ = await resumed(world, romeo, 1, h=romeo.handled - 1)
    assert await bodies(again, 1) == ["are you there?"]
    assert not presences(await juliet.sync())


# -- nodes ------------------------------------------------------------------------------------------------------------


async def kill(cluster, name):
    await in_thread(cluster.kill, name)


async def drain(cluster, name):
    await in_thread(cluster.stop, name)


@pytest.mark.parametrize("fault", [kill, drain])
async def test_resumes_elsewhere_when_its_edge_is_no_more(own_cluster, fault):
    world = own_cluster()
    romeo, juliet = await friends(world)  # on the first edge; she is on the second
    bare = romeo.jid.split("/")[0]
    h = await romeo.server_h()
    await send_numbered(juliet, romeo.jid, range(5))
    await bodies(romeo, 5)
    await romeo.acknowledge(romeo.handled - 2)
    await send_numbered(romeo, juliet.jid, range(3))
    assert await romeo.server_h() == h + 3
    await send_numbered(juliet, romeo.jid, range(5, 8))
    await juliet.sync()
    await fault(world.cluster, "c2s-1")
    await send_numbered(juliet, romeo.jid, range(8, 10))
    await send_numbered(juliet, bare, range(10, 12))

    async def back():
        return await resumed(world, romeo, 1, h=romeo.handled - 1)

    again, now = await eventually(back)
    assert now == h + 3
    expected = [str(n) for n in range(4, 12)]
    assert await bodies(again, len(expected)) == expected
    seen = await juliet.sync()
    assert not presences(seen)
    assert [body(e) for e in seen if is_message(e)] == ["0", "1", "2"]
    await again.message(juliet.jid, "from here")
    assert await bodies(juliet, 1) == ["from here"]


async def test_drained_edge_tells_its_clients_to_come_back(own_cluster):
    world = own_cluster()
    romeo, juliet = await friends(world)
    stopping = asyncio.create_task(in_thread(world.cluster.stop, "c2s-1"))
    assert condition((await romeo.ended())[-1]) in ("system-shutdown", "see-other-host")
    again, _ = await eventually(lambda: resumed(world, romeo, 1))
    assert await stopping, "it had to be killed"
    await juliet.message(again.jid, "there?")
    assert await bodies(again, 1) == ["there?"]
    assert not presences(await juliet.sync())


async def test_session_of_a_dead_edge_that_nobody_resumes_ends_once(own_cluster):
    world = own_cluster(settings=["c2s.sm_resume_timeout=6s"])
    romeo, juliet = await friends(world)
    await kill(world.cluster, "c2s-1")
    await send_numbered(juliet, romeo.jid.split("/")[0], range(3))
    juliet.patience = 40
    await unavailable_once(juliet, romeo.jid)
    raw = await world.login(romeo.jid.split("/")[0], 1, available=False)
    await raw.presence()
    assert await bodies(raw, 3) == ["0", "1", "2"]


async def test_frozen_edge_that_wakes_changes_nothing_of_a_session_resumed_elsewhere(own_cluster):
    world = own_cluster()
    romeo, juliet = await friends(world)
    world.cluster.signal("c2s-1", signal.SIGSTOP)
    try:
        # Into the frozen edge's socket: never acknowledged, and sent again elsewhere.
        await send_numbered(romeo, juliet.jid, range(5))
        h_before = None

        async def back():
            return await resumed(world, romeo, 1)

        again, h_before = await eventually(back)
        await send_numbered(again, juliet.jid, range(5))
        assert await bodies(juliet, 5) == [str(n) for n in range(5)]
    finally:
        world.cluster.signal("c2s-1", signal.SIGCONT)
    await romeo.ended()
    assert await again.server_h() == h_before + 5
    await juliet.message(romeo.jid, "to whom?")
    assert await bodies(again, 1) == ["to whom?"]
    seen = await juliet.sync()
    assert not [e for e in seen if is_message(e)], "what the frozen edge had read came, too"
    assert not presences(seen)


@pytest.mark.parametrize("service", ["router", "redis"])
async def test_absent_session_survives_the_death_of(own_cluster, service):
    world = own_cluster()
    romeo, juliet = await friends(world)
    romeo.abort()
    await send_numbered(juliet, romeo.jid, range(3))
    await juliet.sync()
    for name in ("router-1", "router-2") if service == "router" else ("redis",):
        await kill(world.cluster, name)
        await in_thread(world.cluster.start, name)

    async def back():
        return await resumed(world, romeo, 1)

    again, _ = await eventually(back)
    await juliet.message(romeo.jid, "3")
    assert await bodies(again, 4) == ["0", "1", "2", "3"]
    assert not presences(await juliet.sync())
