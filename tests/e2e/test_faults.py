"""Processes die, freeze and come back under traffic: what ARCHITECTURE.md promises in its table of faults."""

import asyncio
import signal

import pytest

from rawxmpp import CLIENT, SASL, Raw, body, condition, is_message, is_presence
from conftest import PASSWORD
from faults import frozen
from managed import bodies, managed
from parley_dev.processes import Process

# Longer than c2s.lease_ttl and every retry; only how long a broken build takes to fail.
PATIENCE = 40
STILL_SECONDS = 2  # less than c2s.lease_ttl


async def eventually(attempt):
    """Repeats until it returns something true; its failures meanwhile are part of the fault."""
    now = asyncio.get_running_loop().time
    deadline, problem = now() + PATIENCE, None
    while now() < deadline:
        try:
            result = await attempt()
            if result:
                return result
        except Exception as error:  # whatever a half-dead cluster does to a client
            problem = error
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE} s; last problem: {problem!r}")


async def in_thread(function, *arguments):
    return await asyncio.to_thread(function, *arguments)


def once(fault):
    """For several who wait for the same: it begins when the first of them asks for it."""
    task = None

    async def happen():
        nonlocal task
        task = task or asyncio.create_task(fault())
        await task

    return happen


class Traffic:
    """Numbered messages from one to another, until told to stop; then every one must have come, in order, once."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver = sender, receiver
        self.sent = 0
        self.got = []
        self.bounced = []
        self.stopping = False

    async def _send(self):
        while not self.stopping:
            await self._say(self.sent)
            self.sent += 1
            await asyncio.sleep(0.002)
        # The receiver may have all of these already, and waits for one more.
        await self.sender.message(self.receiver.jid, "end")

    async def _say(self, number):
        await self.sender.message(self.receiver.jid, str(number))

    async def _receive(self):
        while True:
            element = await self.receiver.receive()
            if body(element) == "end":
                return
            await self._hear(element)

    async def _hear(self, element):
        if is_message(element) and element.get("type") != "error":
            self.got.append(int(body(element)))

    async def _watch_for_errors(self):
        while True:
            self.bounced.append(condition(await self.sender.until(lambda e: e.get("type") == "error")))

    async def around(self, fault):
        self.sender.patience = self.receiver.patience = PATIENCE
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        watching = asyncio.create_task(self._watch_for_errors())
        await self._reach(50)
        await fault()
        await self._reach(self.sent + 200)
        self.stopping = True
        ended, _ = await asyncio.wait(tasks, timeout=PATIENCE)
        watching.cancel()
        missing = sorted(set(range(self.sent)) - set(self.got))
        assert not self.bounced and not missing, f"of {self.sent}: bounced {self.bounced[:3]}, missing {missing[:3]}"
        assert self.got == list(range(self.sent)), "repeated or out of order"
        assert [task.exception() for task in ended] == [None, None]

    async def _reach(self, count):
        async def reached():
            return self.sent > count and self.got and self.got[-1] > count

        await eventually(reached)


class ManagedTraffic(Traffic):
    """Between clients with stream management; the receiver's queue stays short."""

    async def _hear(self, element):
        await super()._hear(element)
        if len(self.got) % 50 == 0:
            await self.receiver.acknowledge()


class MixedTraffic(Traffic):
    """With presence and requests in between, from one friend to another."""

    def __init__(self, sender, receiver):
        super().__init__(sender, receiver)
        self.seen = []

    @staticmethod
    def _kinds(number):
        return ["message"] + ["presence"] * (number % 3 == 0) + ["iq"] * (number % 7 == 0)

    async def _say(self, number):
        await super()._say(number)
        if "presence" in self._kinds(number):
            await self.sender.presence(f"<status>{number}</status>")
        if "iq" in self._kinds(number):
            await self.sender.send(f"<iq type='get' id='{number}' to='{self.receiver.jid}'><q xmlns='urn:example:q'/></iq>")

    async def _hear(self, element):
        await super()._hear(element)
        kind = element.tag.split("}")[1]
        number = {"message": body(element), "iq": element.get("id")}.get(kind, element.findtext(f"{{{CLIENT}}}status"))
        if kind == "iq":
            await self.receiver.send(f"<iq type='result' id='{number}' to='{self.sender.jid}'/>")
        # A router that takes over shows again what presence was last.
        if kind != "presence" or [kind, number] != self._last_presence():
            self.seen.append([kind, number])

    def _last_presence(self):
        return next((each for each in reversed(self.seen) if each[0] == "presence"), None)

    async def around(self, fault):
        await super().around(fault)
        wanted = [[kind, str(number)] for number in range(self.sent) for kind in self._kinds(number)]
        assert self.seen == wanted


@pytest.mark.parametrize("router", ["router-1", "router-2"])
async def test_router_killed_under_traffic_loses_repeats_and_disorders_nothing(own_cluster, router):
    world = own_cluster()
    traffic = [Traffic(*await world.pair()) for _ in range(4)]
    traffic += [MixedTraffic(*await world.friends()) for _ in range(2)]

    def kill_and_bring_back():
        world.cluster.kill(router)
        world.cluster.start(router)

    fault = once(lambda: in_thread(kill_and_bring_back))
    await asyncio.gather(*(each.around(fault) for each in traffic))


async def test_router_drained_under_traffic_loses_and_repeats_nothing(own_cluster):
    world = own_cluster()
    traffic = Traffic(*await world.pair())

    async def restart_both_in_turn():
        for router in ("router-1", "router-2"):
            await in_thread(world.cluster.stop, router)
            await in_thread(world.cluster.start, router)

    await traffic.around(restart_both_in_turn)


async def test_killed_edge_ends_its_sessions_once_and_keeps_their_messages(own_cluster):
    world = own_cluster()
    romeo, juliet = await world.friends()  # juliet is on the second edge
    juliet_bare = juliet.jid.split("/")[0]
    await in_thread(world.cluster.kill, "c2s-2")
    await romeo.message(juliet.jid, "to the dead session")
    await romeo.message(juliet_bare, "to the account")
    gone = await romeo.until(is_presence)
    assert (gone.get("from"), gone.get("type")) == (juliet.jid, "unavailable")
    returned = await world.login(juliet_bare, 0, available=False)
    await returned.presence()
    kept = [body(await returned.until(is_message)) for _ in range(2)]
    assert kept == ["to the dead session", "to the account"]
    back = await romeo.until(is_presence)
    assert (back.get("from"), back.get("type")) == (returned.jid, None), "unavailable came twice"
    assert world.cluster.ctl("sessions", "list", juliet_bare).stdout.count(juliet_bare) == 1


async def test_frozen_edge_that_wakes_after_its_lease_does_no_harm(own_cluster):
    world = own_cluster()
    romeo, juliet = await world.friends()
    juliet_bare, resource = juliet.jid.split("/")
    world.cluster.signal("c2s-2", signal.SIGSTOP)
    try:
        gone = await romeo.until(is_presence)
        assert (gone.get("from"), gone.get("type")) == (juliet.jid, "unavailable")
        second = await world.login(juliet_bare, 0, resource)
        assert second.jid == juliet.jid
    finally:
        world.cluster.signal("c2s-2", signal.SIGCONT)
    # Its resource is taken: the late session must end, the new one live.
    assert condition((await juliet.ended())[-1]) == "conflict"
    await romeo.message(juliet.jid, "which of you?")
    assert body(await second.until(is_message)) == "which of you?"


async def test_emptied_redis_is_filled_again_by_the_edges(own_cluster):
    world = own_cluster()
    romeo, juliet = await world.friends()

    def lose_everything():
        world.cluster.kill("redis")
        for file in world.cluster.redis().directory.rglob("*"):
            if file.is_file():
                file.unlink()
        world.cluster.start("redis")

    await in_thread(lose_everything)

    async def listed():
        return juliet.jid.split("/")[1] in world.cluster.ctl("sessions", "list", juliet.jid.split("/")[0]).stdout

    await eventually(listed)
    await romeo.message(juliet.jid, "still there?")
    assert body(await juliet.until(is_message)) == "still there?"
    newcomer = await eventually(lambda: world.login(world.account(), 1))
    await newcomer.message(romeo.jid, "hello")
    assert body(await romeo.until(is_message)) == "hello"
    assert not [e for e in await romeo.sync() if e.get("type") == "unavailable"], "no session ended"


async def test_redis_away_established_sessions_talk_and_binds_are_refused_clearly(own_cluster):
    world = own_cluster(settings=["c2s.router_timeout=1500ms"])
    romeo, juliet = await world.pair()
    await romeo.message(juliet.jid, "before")
    await juliet.until(is_message)
    await in_thread(world.cluster.kill, "redis")
    await romeo.message(juliet.jid, "during")
    assert body(await juliet.until(is_message)) == "during"
    newcomer = await Raw.connect(world.edges[0]["xmpp"], "localhost")
    await newcomer.open()
    await newcomer.starttls(world.context)
    await newcomer.open()
    assert (await newcomer.plain(world.account().split("@")[0], PASSWORD)).tag == f"{{{SASL}}}success"
    await newcomer.open()
    refused = await newcomer.iq("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
    assert condition(refused) in ("resource-constraint", "internal-server-error")
    await in_thread(world.cluster.start, "redis")
    await eventually(lambda: world.login(world.account(), 0))


@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_store_that_stands_still_for_a_moment_ends_no_stream(own_cluster, store):
    """Everybody waits, with and without stream management, and nobody is refused anything."""
    world = own_cluster()
    traffic = [Traffic(*await world.pair())]
    for _ in range(3):
        traffic.append(ManagedTraffic(*[await managed(world, world.account(), edge) for edge in range(2)]))
    absent = world.account()

    async def stand_still():
        with frozen(world.cluster, [store]):
            for each in traffic:
                await each.sender.message(absent, "for later")
            await asyncio.sleep(STILL_SECONDS)

    fault = once(stand_still)
    await asyncio.gather(*(each.around(fault) for each in traffic))
    for each in traffic:
        assert not [e for e in await each.sender.sync() + await each.receiver.sync() if e.get("type") == "error"]
    late = await world.login(absent, available=False)
    await late.presence()
    assert await bodies(late, len(traffic)) == ["for later"] * len(traffic)


@pytest.mark.parametrize("victim", ["postgres", "roster-1"])
async def test_accounts_away_online_messages_flow_and_all_else_is_refused_clearly(own_cluster, victim):
    # What the dying service may have got is in doubt for as long as nobody else can be asked.
    patience = ["router.roster_timeout=2s", "router.roster_doubt_timeout=2s", "postgres.connect_timeout=1s"]
    world = own_cluster(settings=["c2s.auth_timeout=3s", *patience])
    romeo, juliet = await world.pair()
    await romeo.message(juliet.jid, "before")
    await juliet.until(is_message)
    await in_thread(world.cluster.kill, victim)
    await romeo.message(juliet.jid, "during")
    assert body(await juliet.until(is_message)) == "during"
    await romeo.message(world.account(), "nobody can keep this")
    bounced = await romeo.until(lambda e: e.get("type") == "error")
    assert condition(bounced) in ("resource-constraint", "internal-server-error", "remote-server-timeout")
    newcomer = await Raw.connect(world.edges[1]["xmpp"], "localhost")
    await newcomer.open()
    await newcomer.starttls(world.context)
    await newcomer.open()
    assert condition(await newcomer.plain(world.account().split("@")[0], PASSWORD)) == "temporary-auth-failure"
    await in_thread(world.cluster.start, victim)
    late = await eventually(lambda: world.login(world.account(), 1))
    await late.message(romeo.jid, "after")
    assert body(await romeo.until(is_message)) == "after"


async def test_short_outage_of_postgresql_returns_no_message_and_keeps_their_order(own_cluster):
    # However long PostgreSQL takes to start.
    world = own_cluster(settings=["router.roster_timeout=60s", "postgres.connect_timeout=1s"])
    romeo, absent, another = await world.login(world.account()), world.account(), world.account()
    await in_thread(world.cluster.kill, "postgres")

    async def is_not_ready():
        # What it is given while it does not know yet is in doubt, which is another thing.
        await romeo.message(another, "is it away?")
        return (await in_thread(world.cluster.http, "roster-1", "/readyz"))[0] == 503

    await eventually(is_not_ready)
    for number in range(9):
        await romeo.message(absent, str(number))
    await in_thread(world.cluster.start, "postgres")
    juliet = await eventually(lambda: world.login(absent, 1))
    await juliet.presence()
    assert [body(await juliet.until(is_message)) for _ in range(9)] == [str(number) for number in range(9)]
    assert not [element for element in await juliet.sync() if is_message(element)]
    assert not [element for element in await romeo.sync() if element.get("type") == "error"]


async def test_no_router_at_all_is_answered_and_recovers(own_cluster):
    world = own_cluster()
    romeo, juliet = await world.pair()
    for router in ("router-1", "router-2"):
        await in_thread(world.cluster.kill, router)
    await romeo.message(juliet.jid, "into the void")
    bounced = await romeo.until(lambda e: e.get("type") == "error")
    assert condition(bounced) in ("remote-server-timeout", "resource-constraint")
    assert world.cluster.http("c2s-1", "/readyz")[0] == 503
    for router in ("router-1", "router-2"):
        await in_thread(world.cluster.start, router)
    await in_thread(world.cluster.wait_ready, "c2s-1")

    async def delivered():
        await romeo.message(juliet.jid, "and back")
        return body(await juliet.until(is_message)) == "and back"

    await eventually(delivered)


@pytest.mark.parametrize("name", ["c2s-1", "router-1", "roster-1"])
async def test_process_that_is_told_to_stop_is_not_ready_before_it_goes(own_cluster, name):
    world = own_cluster(counts={"router": 1}, settings=["c2s.close_timeout=10s"])
    await world.login(world.account(), 0)  # does not close its stream

    def look_until_it_is_not_ready():
        world.cluster.signal(name, signal.SIGTERM)
        status = 200
        while status == 200:
            status, said = world.cluster.http(name, "/readyz")
        return status, said

    status, said = await in_thread(look_until_it_is_not_ready)
    assert status == 503 and "stopping" in said


async def test_drained_edge_tells_its_clients_and_leaves_nothing_behind(own_cluster):
    world = own_cluster()
    romeo, juliet = await world.friends()
    stopping = asyncio.create_task(in_thread(world.cluster.stop, "c2s-2"))
    assert condition((await juliet.ended())[-1]) == "system-shutdown"
    gone = await romeo.until(is_presence)
    assert (gone.get("from"), gone.get("type")) == (juliet.jid, "unavailable")
    assert await stopping, "it had to be killed"
    assert "drain_cut_off" not in Process(world.cluster.directory, "c2s-2").log_file.read_text()
    bare = juliet.jid.split("/")[0]
    assert bare not in world.cluster.ctl("sessions", "list", bare).stdout
