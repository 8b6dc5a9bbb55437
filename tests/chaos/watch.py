"""The witnesses of an edge's death, and who watches them."""

import asyncio
import time
from collections import Counter
from types import SimpleNamespace

from rawxmpp import CLIENT

from connection import stay
from session import Observer, Session

PRESENCE = f"{{{CLIENT}}}presence"


class Watch(Observer):
    """On each edge a watcher, and a witness without stream management: when the edge dies, its contacts are told.
    Neither goes to another edge, so that there is always a watcher elsewhere."""

    def __init__(self, world, domain, edges):
        self.world = world
        self.watchers = []
        self.ends = []  # (time, edge)
        self._domain, self._edges = domain, edges
        self.on_told_twice = world.ledger.violations.append
        self._seen = set()  # (watcher, full JID of a witness), who is available to whom
        self._gone = set()  # the same: of whose end which watcher was told
        self._tasks = []

    def accounts(self):
        return [f"{who}{n}@{self._domain}" for who in ("watcher", "witness") for n in range(self._edges)]

    async def begin(self):
        self.watchers = [self._watcher(edge) for edge in range(self._edges)]
        for watcher in self.watchers:
            self.world.spawn(watcher.run())
        await self.world.until(lambda: all(w.settled for w in self.watchers), "watchers bound")
        for edge in range(self._edges):
            self._tasks.append(asyncio.create_task(self._witness(edge)))
        for watcher in self.watchers:
            for edge in range(self._edges):
                watcher.send(f"<presence type='subscribe' to='witness{edge}@{self._domain}'/>")
        await self.world.until(self.complete, "witnesses seen")

    def _watcher(self, edge):
        place = SimpleNamespace(**{**vars(self.world.place), "edges": [self.world.place.edges[edge]]})
        return Session(place, f"watcher{edge}@{self._domain}", "tower", self.world.random, self)

    def complete(self):
        """Every watcher sees every witness, and nothing of the sessions that it had before."""
        counts = Counter((watcher, _edge_of(jid)) for watcher, jid in self._seen)
        return len(counts) == self._edges**2 == counts.total()

    async def end(self):
        for watcher in self.watchers:
            if watcher.attached:
                watcher.request()  # it may not have noticed yet that its edge was stopped
        await self.world.until(lambda: all(w.settled and w.answered for w in self.watchers), "watchers attached")
        await self.world.until(self.complete, "each witness seen once by each watcher", 30)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(watcher.close() for watcher in self.watchers))

    def told(self, edge):
        """When contacts were told that the witness on this edge is gone."""
        return [at for at, where in self.ends if where == edge]

    def on_stanza(self, session, element):
        full = element.get("from") or ""
        if element.tag != PRESENCE or not full.startswith("witness"):
            return
        if element.get("type") == "unavailable":
            self._part(session, full)
        elif element.get("type") is None:
            self._seen.add((session, full))
            self._gone.discard((session, full))

    def _part(self, watcher, full):
        """Once: each session of a witness has a resource of its own."""
        self.ends.append((self.world.now(), _edge_of(full)))
        self._seen.discard((watcher, full))
        if (watcher, full) in self._gone:
            text = f"{watcher.full} was told twice that {full} is gone, again at {self.world.now():.2f}"
            self.on_told_twice(text)
        if "/" in full:
            self._gone.add((watcher, full))

    def on_lost(self, session, reason, away, resent):
        """The next session is told anew what there is."""
        for known in (self._seen, self._gone):
            known.difference_update([(watcher, jid) for watcher, jid in known if watcher is session])

    async def _witness(self, edge):
        """Always on its edge, when that lives."""
        place = self.world.place
        testify = lambda connection: self._testify(connection, f"witness{edge}")
        await stay(place.edges[edge][0], self._domain, place.context, testify)

    async def _testify(self, connection, user):
        await connection.authenticate(user, self.world.place.password, "PLAIN")
        await connection.bind(f"grove{time.monotonic_ns()}")  # a new one: the old one's end is to be seen

        def approve(element):
            if element.get("type") == "subscribe":
                connection.send(f"<presence type='subscribed' to='{element.get('from')}'/>")
            elif element.get("type") == "get":
                connection.send(f"<iq type='result' id='{element.get('id')}'/>")

        connection.on_element = approve
        connection.send("<presence/>")


def _edge_of(jid):
    return int(jid.split("@")[0].removeprefix("witness"))
