"""The connection to PostgreSQL ends just as a change is committed: whether it was is not known. Whoever asked for it is
told once it is, and both accounts of a subscription end up with the same."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest

from parley_dev.cluster import Cluster
from rawxmpp import befriend, body, is_message, is_presence
from tcpproxy import CUT, FREE, Front, Link
from test_faults import PATIENCE, eventually, in_thread
from test_roster import is_push, item_of, query


class Watched(Front):
    def data_received(self, data):
        if b"COMMIT\0" in data and self.link.is_due():
            self.link.lose(self, data)
        else:
            super().data_received(data)

    def pass_on(self, data):
        super().data_received(data)


class Database(Link):
    """The way to PostgreSQL. `spoil(number, how)`: that commit from now on is the last thing that goes over it, until
    `repair()`; `how`, of the connection and the commit's bytes, says what becomes of it."""

    front = Watched

    def __init__(self, target):
        super().__init__(target)
        self._left = 0
        self._how = None
        self._lost = asyncio.Event()

    def spoil(self, number, how):
        self._left, self._how = number, how
        self._lost.clear()

    def is_due(self):
        self._left -= 1
        return self._left == 0

    def lose(self, connection, data):
        self._how(connection, data)
        self.turn(CUT)
        self._lost.set()

    def repair(self):
        self._left = 0
        self.turn(FREE)

    async def lost(self):
        async with asyncio.timeout(20):
            await self._lost.wait()


def before_it_arrives(connection, data):
    """Rolled back."""


def before_its_answer(connection, data):
    """Committed."""
    connection.pass_on(data)


WAYS = [(before_it_arrives, False), (before_its_answer, False), (before_its_answer, True)]
NAMES = ["lost", "answer lost", "postgres killed"]


@asynccontextmanager
async def staged(own_cluster):
    """A world, and the way of its roster service to PostgreSQL."""
    database = Database(None)

    class ByThisWay(Cluster):
        def start_all(self, progress=lambda text: None):
            database.target = self.plan["stores"]["postgres"]
            super().start_all(progress)

    settings = [f"postgres.port={await database.listen()}", "postgres.connect_timeout=1s", "router.roster_doubt_timeout=2m"]
    world = await in_thread(partial(own_cluster, settings=settings, kind=ByThisWay))
    try:
        yield world, database
    finally:
        database.repair()
        await in_thread(world.cluster.down)  # while the way is there


async def repaired(world, database, killed):
    """Once the commit that is due was lost, and the roster service knows that PostgreSQL is away."""
    await database.lost()

    async def away():
        return (await in_thread(world.cluster.http, "roster-1", "/readyz"))[0] == 503

    await eventually(away)
    if killed:
        await in_thread(world.cluster.kill, "postgres")
        await in_thread(world.cluster.start, "postgres")
    database.repair()
    await in_thread(world.cluster.wait_ready, "roster-1")


@pytest.mark.parametrize(("how", "killed"), WAYS, ids=NAMES)
async def test_removal_of_a_contact_is_done_to_both_rosters_and_told(own_cluster, how, killed):
    async with staged(own_cluster) as (world, database):
        for number in (1, 2, 3):  # the user's half, then the contact's two
            romeo, juliet = await world.pair()
            romeo.patience = juliet.patience = PATIENCE
            await befriend(romeo, juliet)
            romeo_bare, juliet_bare = romeo.jid.split("/")[0], juliet.jid.split("/")[0]
            database.spoil(number, how)
            removal = asyncio.create_task(romeo.iq("set", query(f"<item jid='{juliet_bare}' subscription='remove'/>")))
            await repaired(world, database, killed)
            assert (await removal).get("type") == "result"
            kinds, pushed = set(), []
            while "none" not in pushed or not kinds >= {"unsubscribe", "unsubscribed", "unavailable"}:
                element = await juliet.receive()
                if is_presence(element):
                    kinds.add(element.get("type"))
                elif is_push(element):
                    pushed.append(item_of(element).get("subscription"))
            assert pushed == ["to", "none"]
            assert [item_of(e).get("subscription") for e in await romeo.sync() if is_push(e)] == ["remove"]
            assert juliet_bare not in await romeo.roster()
            assert (await juliet.roster())[romeo_bare].get("subscription") == "none"


@pytest.mark.parametrize(("how", "killed"), WAYS, ids=NAMES)
async def test_message_for_a_user_who_is_away_is_kept_once_and_not_returned(own_cluster, how, killed):
    async with staged(own_cluster) as (world, database):
        romeo = await world.login(world.account())
        absent = world.account()
        database.spoil(1, how)
        await romeo.message(absent, "kept")
        await repaired(world, database, killed)
        juliet = await eventually(lambda: world.login(absent, 1, available=False))
        await juliet.presence()
        assert body(await juliet.until(is_message)) == "kept"
        await romeo.message(juliet.jid, "next")
        assert body(await juliet.until(is_message)) == "next"
        assert not await romeo.sync()
