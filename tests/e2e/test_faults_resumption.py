"""Sessions with stream management (XEP-0198) when their edge, and what it needs, dies, drains, freezes; and at their
limits."""

import asyncio
import signal

import pytest

from faults import frozen
from managed import bodies, friends, managed, presences, resumed, send_numbered, unavailable_once
from proxied import ProxiedCluster
from rawxmpp import CLIENT, body, condition, is_message, is_presence
from test_faults import eventually, in_thread
from test_limits import metric
from test_unanswered import answer, answers, ask, requests


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
    seen = await juliet.sync()
    await fault(world.cluster, "c2s-1")
    await send_numbered(juliet, romeo.jid, range(8, 10))
    await send_numbered(juliet, bare, range(10, 12))

    async def back():
        return await resumed(world, romeo, 1, h=romeo.handled - 1)

    again, now = await eventually(back)
    assert now == h + 3
    expected = [str(n) for n in range(4, 12)]
    assert await bodies(again, len(expected)) == expected
    seen += await juliet.sync()
    assert not presences(seen)
    assert [body(e) for e in seen if is_message(e)] == ["0", "1", "2"]
    await again.message(juliet.jid, "from here")
    assert await bodies(juliet, 1) == ["from here"]


@pytest.mark.parametrize(
    ("settings", "told"), [([], "system-shutdown"), (["c2s.drain_redirect=other.example:5222"], "see-other-host")]
)
async def test_drained_edge_tells_its_clients_to_come_back(own_cluster, settings, told):
    world = own_cluster(settings=settings)
    romeo, juliet = await friends(world)
    stopping = asyncio.create_task(in_thread(world.cluster.stop, "c2s-1"))
    assert condition((await romeo.ended())[-1]) == told
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
    await romeo.server_h()  # all until here is known to be handled: he sends nothing of it again
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


async def test_session_that_ends_while_redis_stands_still_leaves_what_is_not_acknowledged(own_cluster):
    """What its client acknowledged, and answered, its edge could not write."""
    world = own_cluster()
    romeo, juliet = await friends(world)
    await send_numbered(juliet, romeo.jid, range(4))
    await bodies(romeo, 4)
    await ask(juliet, romeo.jid, "ab")
    assert await requests(romeo, 2) == ["a", "b"]

    async def is_noticed():
        return all(metric(world, "parley_redis_up", name) == 0 for name in ("c2s-1", "router-1", "router-2"))

    with frozen(world.cluster, ["redis"]):
        await eventually(is_noticed)
        await romeo.acknowledge(romeo.handled - 3)  # with the last message, "a" and "b" are not
        await answer(romeo, juliet.jid, "a")
        assert await answers(juliet, 1) == [("a", "result")]
        await romeo.send("</stream:stream>")
        await romeo.ended()
    juliet.patience = 30

    def of_its_end(element):
        return is_presence(element) or element.tag == f"{{{CLIENT}}}iq"

    told = [await juliet.until(of_its_end) for _ in range(2)]
    assert sorted((e.get("type"), e.get("id")) for e in told) == [("error", "b"), ("unavailable", None)]
    assert not [e for e in await juliet.sync() if of_its_end(e)]
    again = await world.login(romeo.jid.split("/")[0], 1, available=False)
    await again.presence()
    assert await bodies(again, 1) == ["3"]
    assert not [e for e in await again.sync() if is_message(e)]


async def test_queue_that_is_too_long_ends_the_session_and_keeps_the_messages(own_cluster):
    world = own_cluster(settings=["c2s.sm_max_stanzas=20", "c2s.sm_request_stanzas=10"])
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


async def test_edge_that_has_lost_redis_alone_dies_before_it_is_back(own_cluster):
    """What its clients acknowledged in between is in nobody's queue; nothing that comes later is taken for that."""
    world = own_cluster(kind=ProxiedCluster)
    romeo, juliet = await friends(world)
    await send_numbered(juliet, romeo.jid, range(3))
    await bodies(romeo, 3)
    await romeo.acknowledge()
    await romeo.server_h()
    await in_thread(world.cluster.partition, ["c2s-1>redis"], "cut")
    try:
        await send_numbered(juliet, romeo.jid, range(3, 8))
        assert await bodies(romeo, 5) == [str(n) for n in range(3, 8)]
        await romeo.acknowledge(romeo.handled - 1)
        await romeo.server_h()  # behind that
        await kill(world.cluster, "c2s-1")
    finally:
        await in_thread(world.cluster.partition, ["c2s-1>redis"], "release")
    await send_numbered(juliet, romeo.jid, range(8, 11))  # fewer than he has acknowledged
    again, _ = await eventually(lambda: resumed(world, romeo, 1))
    await juliet.message(romeo.jid, "last")
    come = [body(await again.until(is_message))]
    while come[-1] != "last":
        come += await bodies(again, 1)
    # He had the first of them, but had not acknowledged it.
    assert come in (["7", "8", "9", "10", "last"], ["8", "9", "10", "last"])
    assert not presences(await juliet.sync())
    again.abort()
    third, _ = await eventually(lambda: resumed(world, again, 1, h=again.handled - 1))
    await juliet.message(romeo.jid, "more")
    assert await bodies(third, 2) == ["last", "more"]


async def test_what_was_acknowledged_before_a_log_out_does_not_come_again_when_its_senders_edge_dies(own_cluster):
    """That edge has not noted that it was taken: the sender says it once more elsewhere."""
    world = own_cluster(settings=["c2s.sm_store_delay=10m", "c2s.sm_store_handled=1000000"])
    romeo, contact = await friends(world, 1)
    bare = romeo.jid.split("/")[0]
    juliet = await managed(world, world.account())
    h = await juliet.server_h()
    await send_numbered(juliet, bare, range(5))
    assert await bodies(romeo, 5) == [str(n) for n in range(5)]
    await romeo.acknowledge()
    await romeo.close()
    await unavailable_once(contact, romeo.jid)
    await kill(world.cluster, "c2s-1")
    again, noted = await eventually(lambda: resumed(world, juliet, 1))
    assert noted == h, "that is not what this test is about"
    await send_numbered(again, bare, range(5))
    await send_numbered(again, bare, ["new"])
    assert await again.server_h() == h + 6
    heir = await world.login(bare, 1)
    assert await bodies(heir, 1) == ["new"]
    await again.message(bare, "last")
    assert await bodies(heir, 1) == ["last"]
