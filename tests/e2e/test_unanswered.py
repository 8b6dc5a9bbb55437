"""RFC 6120 8.2.3: an iq is answered exactly once, also when the edge of the client that should answer it dies."""

import asyncio
import contextlib
import ssl

import pytest

from managed import managed, resumed
from rawxmpp import CLIENT, PING, Ended, condition
from test_faults import eventually, in_thread

# Who is told that a contact is gone has waited for its edge's lease to lapse, or for its time to come back to be over.
SETTINGS = ["c2s.lease_ttl=2s", "c2s.lease_refresh=400ms", "c2s.sm_resume_timeout=3s"]


def is_request(element):
    return element.tag == f"{{{CLIENT}}}iq" and element.get("type") == "get"


async def ask(asker, to, numbers):
    for number in numbers:
        await asker.send(f"<iq type='get' id='{number}' to='{to}'><ping xmlns='{PING}'/></iq>")


async def requests(asked, count):
    return [(await asked.until(is_request)).get("id") for _ in range(count)]


async def answer(asked, to, number):
    await asked.send(f"<iq type='result' id='{number}' to='{to}'/>")


def outcome(element):
    return element.get("id"), condition(element) if element.get("type") == "error" else element.get("type")


async def answers(asker, count):
    """So many, and no more."""
    asker.patience = 30
    got = [outcome(await asker.until(lambda e: e.tag == f"{{{CLIENT}}}iq")) for _ in range(count)]
    more = [outcome(e) for e in await asker.sync() if e.tag == f"{{{CLIENT}}}iq"]
    assert not more, (got, more)
    return got


@pytest.mark.parametrize("returns", [False, True], ids=["gone", "back at once"])
async def test_requests_to_a_client_whose_edge_is_killed(own_cluster, returns):
    """Without stream management: Redis knows what was asked."""
    world = own_cluster(settings=SETTINGS)
    romeo, juliet = await world.pair()  # she is on the second edge
    await ask(romeo, juliet.jid, "abc")
    assert await requests(juliet, 3) == ["a", "b", "c"]
    await answer(juliet, romeo.jid, "b")
    assert await answers(romeo, 1) == [("b", "result")]
    await in_thread(world.cluster.kill, "c2s-2")
    if returns:
        again = await world.login(juliet.jid.split("/")[0], 0, juliet.jid.split("/")[1])
        assert again.jid == juliet.jid
    assert await answers(romeo, 2) == [("a", "service-unavailable"), ("c", "service-unavailable")]
    if returns:
        assert not [e for e in await again.sync() if is_request(e)]
        await ask(romeo, again.jid, "d")
        assert await requests(again, 1) == ["d"]
        await answer(again, romeo.jid, "d")
        assert await answers(romeo, 1) == [("d", "result")]


async def asked_and_acknowledged(world):
    """Romeo asked Juliet, who has stream management, for a, b and c; she acknowledged all of them and answered b."""
    romeo = await world.login(world.account(), 0)
    juliet = await managed(world, world.account(), 1)
    await ask(romeo, juliet.jid, "abc")
    assert await requests(juliet, 3) == ["a", "b", "c"]
    await juliet.acknowledge()
    await answer(juliet, romeo.jid, "b")
    await juliet.server_h()
    assert await answers(romeo, 1) == [("b", "result")]
    return romeo, juliet


async def test_acknowledged_requests_to_a_session_that_nobody_resumes(own_cluster):
    world = own_cluster(settings=SETTINGS)
    romeo, _ = await asked_and_acknowledged(world)
    await in_thread(world.cluster.kill, "c2s-2")
    assert await answers(romeo, 2) == [("a", "service-unavailable"), ("c", "service-unavailable")]


async def test_acknowledged_requests_to_a_session_that_is_resumed_elsewhere(own_cluster):
    world = own_cluster(settings=[*SETTINGS, "c2s.sm_resume_timeout=60s"])
    romeo, juliet = await asked_and_acknowledged(world)
    await in_thread(world.cluster.kill, "c2s-2")

    async def back():
        return await resumed(world, juliet, 0)

    again, _ = await eventually(back)
    await answer(again, romeo.jid, "a")
    assert await answers(romeo, 1) == [("a", "result")]
    await again.send("</stream:stream>")
    assert await answers(romeo, 1) == [("c", "service-unavailable")]


async def test_asker_and_asked_on_the_edge_that_is_killed(own_cluster):
    """The asker resumes elsewhere, the asked does not."""
    world = own_cluster(settings=[*SETTINGS, "c2s.sm_resume_timeout=60s"])
    romeo = await managed(world, world.account(), 1)
    juliet = await world.login(world.account(), 1)
    await ask(romeo, juliet.jid, "ab")
    await requests(juliet, 2)
    await answer(juliet, romeo.jid, "a")
    assert outcome(await romeo.until(lambda e: e.get("id") == "a")) == ("a", "result")
    await in_thread(world.cluster.kill, "c2s-2")

    async def back():
        return await resumed(world, romeo, 0)

    again, _ = await eventually(back)
    assert await answers(again, 1) == [("b", "service-unavailable")]


async def test_many_requests_in_flight_when_the_edge_is_killed(own_cluster):
    """Those that reached her client or nobody, were noted in Redis or not, acknowledged or not: each is answered once."""
    world = own_cluster(settings=[*SETTINGS, "c2s.max_unanswered_bytes=16777216"])
    romeo, juliet = await world.pair()
    await ask(romeo, juliet.jid, range(100))
    for number in await requests(juliet, 100):
        if int(number) % 2 == 0:
            await answer(juliet, romeo.jid, number)
    assert await answers(romeo, 50) == [(str(number), "result") for number in range(0, 100, 2)]

    async def swallow():
        with contextlib.suppress(Ended, ConnectionError, ssl.SSLError):
            while True:
                await juliet.receive()

    swallowing = asyncio.create_task(swallow())
    asked, killing = 100, None
    while (killing is None or not killing.done()) and asked < 20000:
        await ask(romeo, juliet.jid, [asked])
        asked += 1
        await asyncio.sleep(0)
        if asked == 400:
            killing = asyncio.create_task(in_thread(world.cluster.kill, "c2s-2"))
    await killing
    await swallowing
    open_ones = [*range(1, 100, 2), *range(100, asked)]
    got = await answers(romeo, len(open_ones))
    assert sorted(int(number) for number, _ in got) == open_ones
    assert {kind for _, kind in got} == {"service-unavailable"}
