"""Bans and drains, as operators give them."""

import asyncio
import json
import signal

import pytest

from conftest import World, start_cluster
from rawxmpp import Ended, Raw, condition, is_message
from test_limits import limits
from test_parleyctl import ctl

SECONDS = 20


@pytest.fixture(scope="module")
def ordered(tmp_path_factory):
    cluster = start_cluster(tmp_path_factory.mktemp("ordered"), settings=["c2s.orders_poll=100ms"])
    yield World(cluster)
    cluster.down()


async def until(check):
    async def poll():
        while not await check():
            await asyncio.sleep(0.05)

    await asyncio.wait_for(poll(), SECONDS)


async def gets_in(world, edge):
    try:
        raw = await Raw.connect(world.edges[edge]["xmpp"], "localhost")
        await raw.open()
    except (OSError, Ended):
        return False
    await raw.close()
    return True


async def test_banned_address_is_cut_off_and_kept_out_until_the_ban_ends(ordered):
    sessions = [await ordered.login(ordered.account(), edge) for edge in (0, 1)]
    before = limits(ordered, "banned")
    ctl(ordered, "ban", "127.0.0.0/30")
    for session in sessions:
        assert condition((await session.ended())[-1]) == "policy-violation"
    for edge in (0, 1):
        assert not await gets_in(ordered, edge)
    assert limits(ordered, "banned") > before
    assert "127.0.0.0/30" in ctl(ordered, "bans").stdout
    assert "127.0.0.0/30" in ctl(ordered, "limits", "127.0.0.1").stdout
    ctl(ordered, "unban", "127.0.0.0/30")
    ctl(ordered, "unban", "127.0.0.0/30", code=1)
    for edge in (0, 1):
        await until(lambda edge=edge: gets_in(ordered, edge))
    assert json.loads(ctl(ordered, "--json", "bans").stdout) == []


async def test_ban_with_a_time_ends_by_itself(ordered):
    session = await ordered.login(ordered.account())
    ctl(ordered, "ban", "127.0.0.1", "--for", "2s")
    await session.ended()
    await until(lambda: gets_in(ordered, 0))


def test_what_cannot_be_banned_is_refused(ordered):
    for text in ("localhost", "127.0.0.1/8", "300.1.1.1"):
        assert "192.0.2.0/24" in ctl(ordered, "ban", text, code=1).stderr


async def test_drained_edge_sends_its_clients_elsewhere_until_it_is_undrained(ordered):
    jid = ordered.account()
    session = await ordered.login(jid, 0)
    other = await ordered.login(ordered.account(), 1)
    ctl(ordered, "drain", "c2s-1")
    assert condition((await session.ended())[-1]) == "system-shutdown"
    members = json.loads(ctl(ordered, "--json", "status").stdout)["members"]
    assert {m["instance"]: m["state"] for m in members if m["service"] == "c2s"} == {
        "c2s-1": "draining", "c2s-2": "ready",
    }
    assert ordered.cluster.http("c2s-1", "/readyz")[0] == 503
    assert not await gets_in(ordered, 0)
    again = await ordered.login(jid, 1)
    await other.sync()
    await again.sync()
    ctl(ordered, "undrain", "c2s-1")
    await until(lambda: gets_in(ordered, 0))
    assert ordered.cluster.http("c2s-1", "/readyz")[0] == 200
    ctl(ordered, "drain", "c2s-9", code=1)


async def waiting(world):
    """By instance."""
    shown = await asyncio.to_thread(ctl, world, "--json", "status")
    return {member["instance"]: member["waiting"] for member in json.loads(shown.stdout)["members"]}


async def test_status_shows_what_waits_for_whom(own_cluster):
    """For an edge that hangs, whether its link has broken already or not."""
    world = own_cluster(settings=["c2s.lease_ttl=5m", "router.edge_timeout=5m", "c2s.order_timeout=60s"])
    sender, receiver = await world.pair()
    world.cluster.signal("c2s-2", signal.SIGSTOP)
    try:
        for number in range(10):
            await sender.message(receiver.jid, str(number))

        async def ten():
            return (await waiting(world)).get("c2s-2", 0) >= 10

        await until(ten)
    finally:
        world.cluster.signal("c2s-2", signal.SIGCONT)
    for _ in range(10):
        await receiver.until(is_message)

    async def none():
        return not any((await waiting(world)).values())

    await until(none)


async def test_status_shows_services_leases_and_sessions(ordered):
    session = await ordered.login(ordered.account(), 1)
    status = json.loads(ctl(ordered, "--json", "status").stdout)
    edges = {m["instance"]: m for m in status["members"] if m["service"] == "c2s"}
    assert edges["c2s-2"]["sessions"] >= 1 and 0 < edges["c2s-2"]["lease_ms"] <= 4000
    assert status["sessions"] >= 1 and status["orphans"] == 0
    (version,) = status["versions"]
    assert {member["version"] for member in status["members"]} == {version}
    text = ctl(ordered, "status").stdout
    assert "router-2" in text and "roster-1" in text and version in text and "releases differ" not in text
    shown = ctl(ordered, "limits", session.jid.split("/")[0]).stdout
    assert "sessions now" in shown and "stanzas" in shown
