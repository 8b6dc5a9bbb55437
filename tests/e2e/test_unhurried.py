"""Acknowledgements between services that nobody waits for take long (`link.idle_ack_delay`, here ten seconds). Whoever
does wait for them is not to notice."""

import asyncio

import pytest

from conftest import World, start_cluster
from managed import bodies, managed, resumed
from rawxmpp import is_message, is_presence

SOON = 5  # seconds: half of that


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory):
    settings = ["link.idle_ack_delay=10s", "c2s.order_timeout=1m", "c2s.sm_ack_wait=1m", "router.handover_timeout=1m"]
    cluster = start_cluster(tmp_path_factory.mktemp("unhurried"), settings=settings)
    yield World(cluster)
    cluster.down()


async def test_lone_message_is_handled_when_its_client_asks(unhurried):
    romeo = await managed(unhurried, unhurried.account())
    juliet = await unhurried.login(unhurried.account(), 1)
    before = await romeo.server_h()
    await romeo.message(juliet.jid, "hi")
    await juliet.until(is_message)
    async with asyncio.timeout(SOON):
        assert await romeo.server_h() == before + 1


async def test_presence_behind_a_message_is_seen(unhurried):
    romeo, juliet = await unhurried.friends()
    await romeo.message(juliet.jid, "hi")
    await juliet.until(is_message)
    async with asyncio.timeout(SOON):
        await romeo.presence("<show>away</show>")
        await juliet.until(is_presence)


async def test_session_that_had_a_message_ends(unhurried):
    """Both of who sent it and of who got it."""
    romeo, juliet = await unhurried.friends()
    await romeo.message(juliet.jid, "hi")
    await juliet.until(is_message)
    async with asyncio.timeout(SOON):
        juliet.abort()
        await romeo.until(lambda e: is_presence(e) and e.get("type") == "unavailable")
        await romeo.close()


async def test_session_that_had_a_message_is_resumed_elsewhere(unhurried):
    romeo, juliet = await unhurried.login(unhurried.account()), await managed(unhurried, unhurried.account(), 1)
    await romeo.message(juliet.jid, "first")
    assert await bodies(juliet, 1) == ["first"]
    async with asyncio.timeout(SOON):
        again, _ = await resumed(unhurried, juliet, 0)
        await romeo.message(again.jid, "second")
        assert await bodies(again, 1) == ["second"]


@pytest.mark.parametrize("name", ["c2s-1", "router-1"])
async def test_process_stops(unhurried, name):
    """With messages that it has not heard to be taken, or not said to have."""
    romeo, juliet = await unhurried.pair()
    for text in "abc":
        await romeo.message(juliet.jid, text)
        await juliet.message(romeo.jid, text)
    await bodies(juliet, 3)
    await bodies(romeo, 3)
    try:
        async with asyncio.timeout(SOON):
            await asyncio.to_thread(unhurried.cluster.stop, name)
    finally:
        unhurried.cluster.start(name)
