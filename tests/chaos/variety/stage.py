"""What all subjects share: the cluster, its clients, when to act and when to rest, and what was broken."""

import asyncio
import itertools
import random
import time
from collections import Counter

from faults import MACHINE
from world import TICK_SECONDS

from variety.client import PRESENCE, Client, Eyes
from variety.database import Database
from variety.iqs import Inquiry
from variety.messages import Post
from variety.presence import Sight

REST_SECONDS = 30
ORPHANING_SECONDS = 1
ACTORS_SECONDS = 120
TOLD = 15  # lines of what is not right at rest
# Whose failure lets a sender's edge or a router not come to know that who has logged out had acknowledged something, or
# was answered for: then that is sent, or answered, again (ARCHITECTURE.md, "What is not proven").
FORGETFUL = ("c2s", "router", "redis", MACHINE)


class Stage:
    """`place`: where the cluster is (see Session)."""

    def __init__(self, cluster, place, seed, say):
        self.cluster, self.place, self.say = cluster, place, say
        self.random = random.Random(seed)
        self.now = time.monotonic
        self.database = Database(cluster)
        self.eyes, self.post, self.inquiry, self.sight = Eyes(self), Post(self), Inquiry(self), Sight(self)
        self.listeners = [self.post, self.inquiry, self.sight]
        self.clients = []
        self.owners = {}  # of full JIDs: the last client, also when it is over
        self.parts = []
        self.counts = Counter()
        self.violations = []
        self.round = "beginning"
        self.struck = None  # the service, in this round
        self.fault = None  # of this round, once it is over
        self.exposed = []  # who was, in this round, between being bound and having stream management
        self.bereft = set()  # bare JIDs that lost a session in this round
        self.parted = []  # (bare JID, when) who logged out in it
        self._acting = asyncio.Event()
        self._busy = Counter()
        self._tasks = []
        self._numbers = itertools.count()

    def broken(self, text):
        self.violations.append(f"[{self.round}] {text}")
        self.say(f"BROKEN {self.violations[-1]}")

    def fresh(self, word):
        return f"{word}{next(self._numbers)}"

    def spawn(self, work):
        self._tasks.append(asyncio.create_task(work))

    async def until(self, condition, what, seconds=90):
        deadline = self.now() + seconds
        while not condition():
            if self.now() > deadline:
                self.broken(f"not within {seconds} s: {what}")
                return False
            await asyncio.sleep(0.03)
        return True

    # -- who acts ---------------------------------------------------------------------------------------------------

    async def begin(self, parts):
        self.spawn(self._ticks())
        for part in parts:
            self.parts.append(part)
            await part.begin()
        await self.until(lambda: all([client.settle() for client in self.clients]), "all bound")
        self.act("leave", self._leave, 0.1, 0.6)

    def client(self, account, resource="r", **named):
        client = Client(self, account, resource, **named)
        self.clients.append(client)
        self.owners[client.wanted] = client
        return client

    def act(self, name, action, least, most):
        """Again and again while acting, with pauses of so many seconds."""

        async def actor():
            while True:
                await self._acting.wait()
                self._busy[name] += 1
                try:
                    await action()
                except Exception as problem:
                    self.broken(f"the driver itself failed, {name}: {problem!r}")
                    raise
                finally:
                    self._busy[name] -= 1
                await asyncio.sleep(self.random.uniform(least, most))

        self.spawn(actor())

    @property
    def forgetful(self):
        return self.struck in FORGETFUL

    @property
    def calm(self):
        """Nothing fails in this round, and nobody lost a session."""
        return self.struck is None and not self.bereft

    @property
    def acting(self):
        return self._acting.is_set()

    async def _ticks(self):
        while True:
            for client in self.clients:
                client.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _leave(self):
        """Clients lose their network, too."""
        client = self.random.choice(self.clients)
        if client.attached and not client.closing:
            client.leave(self.random.choice([0, 0.05, 0.3, 1.5]), self.random.random() < 0.3)

    async def befriend(self, watcher, owner):
        """`watcher` sees `owner` from now on."""

        def approve(client, element):
            if element.tag == PRESENCE and element.get("type") == "subscribe":
                client.send(f"<presence type='subscribed' to='{element.get('from')}'/>")

        def done():
            item = watcher.view and watcher.view.get(owner.jid)
            return item and item.subscription in ("to", "both")

        owner.listeners.append(approve)
        watcher.send(f"<presence type='subscribe' to='{owner.jid}'/>")
        await self.until(done, f"{watcher.jid} sees {owner.jid}")
        owner.listeners.remove(approve)

    def orphaned(self):
        """Bare JIDs of those who logged out just as their edge may have died: if no router heard of it, the session waits
        for its client until its resumption time is over (ARCHITECTURE.md, "What is not proven")."""
        fault = self.fault
        if fault is None or fault.kind not in ("kill", "restart") or fault.service != "c2s":
            return set()
        return {jid for jid, at in self.parted if abs(at - fault.began) < ORPHANING_SECONDS}

    # -- rounds -----------------------------------------------------------------------------------------------------

    def begin_round(self, name, service):
        self.round, self.struck, self.fault = name, service, None
        self.exposed.clear()
        self.bereft.clear()
        self.parted.clear()
        self._acting.set()

    async def end_round(self):
        """All come to rest and are judged."""
        began = self.now()
        self._acting.clear()
        await self.until(lambda: not self._busy.total(), f"actors done: {+self._busy}", ACTORS_SECONDS)
        await self._all_settled()
        for part in self.parts:
            await part.rest()
        await self._all_settled()
        for exposed in self.exposed:
            self.post.forgive(exposed)
        self.bereft |= self.orphaned()
        await self._judge()
        self.say(f"{self.round}: at rest after {self.now() - began:.1f} s, {len(self.violations)} broken so far")

    async def _all_settled(self):
        """What came is acknowledged, and the server's answer to what is asked behind that tells that it knows. Who has
        not noticed yet that its edge is gone notices."""
        told = {client: client.confirm() for client in self.clients if client.attached}
        await self.until(lambda: all([client.settle() and client.answered for client in self.clients]), "all settled")
        for client, (incarnation, count) in told.items():
            incarnation.confirmed = max(incarnation.confirmed, count)

    async def _judge(self):
        deadline = self.now() + REST_SECONDS
        while (left := list(self._unsettled())) and self.now() < deadline:
            await asyncio.sleep(0.1)
        for text in left[:TOLD]:
            self.broken(text)
        if len(left) > TOLD:
            self.broken(f"and {len(left) - TOLD} more")
        await self._all_settled()
        for judge in (self.post, self.inquiry, self.sight):
            judge.judge()
        for part in self.parts:
            await part.judged()

    def _unsettled(self):
        for judge in (self.post, self.inquiry, self.sight):
            yield from judge.pending()
        for part in self.parts:
            yield from part.check()
        yield from self._left_in_store()
        for client in self.clients:
            if client.settled and client.view is None:
                yield f"{client.wanted} was not told its roster"

    def _left_in_store(self):
        """Nobody who is there has messages in the store: they are flushed to it (RFC 6121 8.5.2.1, XEP-0160)."""
        there = {client.account for client in self.clients if client.settled and client.priority >= 0}
        for account, count in self.database.offline().items():
            if account in there:
                yield f"{count} messages are left in the store of {account}, who is there"

    async def end(self):
        self.round = "end"
        await asyncio.gather(*(client.log_out() for client in list(self.clients)))
        for task in self._tasks:
            task.cancel()
