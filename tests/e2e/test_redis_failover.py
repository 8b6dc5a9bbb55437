"""Redis dies and its replica takes its place, at the address that the services know. Replication is asynchronous: the
replica may lack what the primary confirmed last, and the edges put back what they have of it."""

import subprocess
from functools import partial

import pytest

from managed import bodies, friends, managed, presences, resumed, send_numbered
from parley_dev.processes import free_port
from parley_dev.stores import Redis
from rawxmpp import body, is_message
from tcpproxy import HELD, Link
from test_faults import eventually, in_thread


class Pair:
    """A primary and its replica. `address` is what services dial, `replication` what the replica does."""

    def __init__(self, directory):
        self.primary = Redis(directory / "primary", free_port())
        self.replica = Redis(directory / "replica", free_port())
        self.address = Link(self.primary.port)
        self.replication = Link(self.primary.port)

    async def start(self):
        for redis in (self.primary, self.replica):
            await in_thread(redis.start)
        await self.call(self.replica, "replicaof", "127.0.0.1", str(await self.replication.listen()))
        await eventually(self.in_step)
        return await self.address.listen()

    async def call(self, redis, *words):
        command = ["redis-cli", "-p", str(redis.port), *words]
        ran = await in_thread(partial(subprocess.run, command, capture_output=True, text=True, check=True))
        return ran.stdout

    async def replication_of(self, redis):
        lines = (await self.call(redis, "info", "replication")).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    async def in_step(self):
        """The replica has all that the primary has."""
        replica, primary = await self.replication_of(self.replica), await self.replication_of(self.primary)
        up = replica["master_link_status"] == "up"
        return up and replica["slave_repl_offset"] == primary["master_repl_offset"]

    async def fail_over(self):
        await in_thread(self.primary.process.kill)
        await self.call(self.replica, "replicaof", "no", "one")
        self.address.target = self.replica.port

    async def queued(self, jid):
        """How many elements the queues of a user's sessions have behind their headers; what came at once may share one."""
        keys = (await self.call(self.replica, "keys", f"parley:q:{{{jid.split('/')[0]}}}:*")).split()
        return sum([int(await self.call(self.replica, "llen", key)) - 1 for key in keys])

    def stop(self):
        for redis in (self.primary, self.replica):
            redis.stop()


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    yield pair
    pair.stop()


@pytest.mark.parametrize("lag", [False, True], ids=["in step", "behind"])
async def test_sessions_and_what_is_not_acknowledged_survive_a_failover(own_cluster, pair, lag):
    port = await pair.start()
    world = await in_thread(own_cluster, None, [f"redis.port={port}"])
    romeo, juliet = await friends(world)  # on the first edge; she is on the second
    await send_numbered(juliet, romeo.jid, range(2))
    await bodies(romeo, 2)
    await romeo.acknowledge()
    await eventually(pair.in_step)
    if lag:
        pair.replication.turn(HELD)
    await send_numbered(juliet, romeo.jid, range(2, 5))
    await bodies(romeo, 3)
    late = await managed(world, world.account(), 0)
    unmanaged = await world.login(world.account(), 0)
    if not lag:
        await eventually(pair.in_step)
    await pair.fail_over()

    async def known():
        for raw in (romeo, late, unmanaged):
            bare, resource = raw.jid.split("/")
            if resource not in (await in_thread(world.cluster.ctl, "sessions", "list", bare)).stdout:
                return False
        return await pair.queued(romeo.jid) > 0

    await eventually(known)
    for raw in (romeo, late, unmanaged):
        await juliet.message(raw.jid, "5")
    assert body(await unmanaged.until(is_message)) == "5"
    assert await bodies(late, 1) == ["5"]
    assert await bodies(romeo, 1) == ["5"]
    await in_thread(world.cluster.kill, "c2s-1")
    again = await eventually(lambda: resumed(world, romeo, 1, h=romeo.handled - 4))
    assert await bodies(again[0], 4) == ["2", "3", "4", "5"]
    again = await eventually(lambda: resumed(world, late, 1, h=late.handled - 1))
    assert await bodies(again[0], 1) == ["5"]
    assert not presences(await juliet.sync())
