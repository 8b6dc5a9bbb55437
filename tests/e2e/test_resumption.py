"""XEP-0198, version 1.6: resumption on this and on the other edge, and sessions that nobody resumes."""

import asyncio

import pytest

from conftest import PASSWORD
from managed import FAILED, RESUMED, ENABLED, Managed
from managed import authenticated, bodies, friends, managed, presences, resumed, send_numbered, unavailable_once
from rawxmpp import PING, SM, STREAMS, Ended, body, condition, is_message, is_presence

STREAM_ERROR = f"{{{STREAMS}}}error"


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


async def test_what_came_at_once_is_acknowledged_in_part_on_one_edge_after_the_other(world):
    """In Redis it shares elements of the session's queue, which go once they are acknowledged as a whole."""
    romeo, juliet = await managed(world, world.account(), 1), await world.login(world.account(), 0)
    total, before = 0, packed(world)
    while packed(world) == before:
        total += 100
        await juliet.send("".join(f"<message to='{romeo.jid}'><body>{n}</body></message>" for n in range(total - 100, total)))
        assert await bodies(romeo, 100) == [str(n) for n in range(total - 100, total)]
        others = romeo.handled - total  # they are counted, too
        await romeo.acknowledge(others + total - 70)
    for edge, taken in [(0, total - 45), (1, total - 20), (0, total - 7)]:
        romeo.abort()
        romeo, _ = await resumed(world, romeo, edge, h=others + taken)
        assert await bodies(romeo, total - taken) == [str(n) for n in range(taken, total)]
        await romeo.acknowledge(others + taken + 3)
        await juliet.message(romeo.jid, str(total))
        total += 1
        assert await bodies(romeo, 1) == [str(total - 1)]
    assert not [e for e in await romeo.sync() if is_message(e)]


def packed(world):
    """Stanzas that the second edge has put into queues together with others."""
    status, text = world.cluster.http("c2s-2", "/metrics")
    assert status == 200
    (line,) = [line for line in text.splitlines() if line.startswith("parley_c2s_sm_packed_total")]
    return float(line.split()[-1])


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
        """Whether it has the session in the end; who has not is told."""
        if answer.tag != RESUMED:
            return False
        try:
            return bool(await rival.until(lambda e: is_message(e) and body(e) == "and another"))
        except (Ended, ConnectionError):
            return False

    await juliet.message(romeo.jid, "and another")
    fates = await asyncio.gather(*(fate(*pair) for pair in zip(rivals, answers)))
    assert sum(fates) == 1, [(answer.tag, has) for answer, has in zip(answers, fates)]
    assert not presences(await juliet.sync())


@pytest.mark.parametrize("edge", [0, 1])
async def test_resuming_with_an_h_too_high_is_refused(world, edge):
    romeo, juliet = await friends(world)
    await send_numbered(juliet, romeo.jid, range(2))
    await bodies(romeo, 2)
    h = romeo.handled
    romeo.abort()
    raw = await authenticated(world, romeo.jid, edge)
    answer = await raw.resume(romeo, h=h + 100)
    assert answer.tag in (FAILED, STREAM_ERROR)
    if answer.tag == STREAM_ERROR:
        assert answer.find(f"{{{SM}}}handled-count-too-high") is not None
    # It has not lost its session by that.
    await send_numbered(juliet, romeo.jid, range(2, 4))
    again, _ = await resumed(world, romeo, 1 - edge, h=h - 1)
    assert await bodies(again, 3) == ["1", "2", "3"]
    assert not presences(await juliet.sync())


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
    seen = [await juliet.receive() for _ in range(3)]
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
