"""Clients without stream management: what a connection that lives said is taken, of what a dead one said a first part."""

import asyncio

from connection import stay
from session import STANZA_NAMES, Incarnation
from world import DOMAIN

from variety.client import IQ, PING
from variety.exposed import Exposed
from variety.part import Part

LEASE_SECONDS = 3  # of its lease an edge has left at least, by the defaults of c2s.lease_ttl and lease_refresh


class Life:
    """One connection, in the shape of a Client as far as others look at it."""

    sm_id = None
    received = told = 0
    announced = "1.1"

    def __init__(self, stage, connection, full, edge):
        """`edge`: its name."""
        self.stage, self.connection, self.wanted, self.edge = stage, connection, full, edge
        self.jid = full.split("/")[0]
        self.incarnation = Incarnation(1)
        self.over_since = None
        self.said, self.heard = [], None  # flows
        self._notes = []
        stage.owners[full] = self
        connection.on_element = self._hear

    @property
    def fickle(self):
        """Contacts are told that a frozen edge's clients are gone; when it wakes, they are there again."""
        return self.stage.struck == "c2s"

    @property
    def absence(self):
        """The fault, if for routers it was gone meanwhile: its edge stood still for longer than its lease, and is back."""
        fault = self.stage.fault
        stood_still = fault is not None and fault.kind == "stop" and fault.victim == self.edge
        return fault if stood_still and fault.healed - fault.began > LEASE_SECONDS else None

    def send(self, text, note=None):
        self.connection.send(text)
        if note is not None:
            self._notes.append(note)

    def _hear(self, element):
        if element.tag not in STANZA_NAMES:
            return
        for listener in self.stage.listeners:
            listener(self, element)
        if element.tag == IQ and element.get("type") in ("get", "set"):
            self.send(f"<iq type='result' id='{element.get('id')}' to='{element.get('from')}'/>")

    @property
    def over(self):
        return self.over_since is not None

    def end(self):
        self.over_since = self.stage.now()
        self.incarnation.lost = True

    def taken(self):
        """At rest, of a connection that lives."""
        for note in self._notes:
            note.acknowledged, note.taken_in = True, self.incarnation
        self._notes.clear()


class Plain:
    """On one edge, with a new resource for each connection."""

    def __init__(self, stage, account, edge, born):
        """`born`: called with each Life."""
        self.stage, self.account, self._edge, self._born = stage, account, edge, born
        self.life = None

    async def run(self):
        place = self.stage.place
        await stay(place.edges[self._edge][0], DOMAIN, place.context, self._live, self._end)

    def _end(self):
        if self.life is not None:
            self.life.end()
            self.life = None

    async def _live(self, connection):
        await connection.authenticate(self.account, self.stage.place.password, "PLAIN")
        full = await connection.bind(self.stage.fresh("p"))
        edges = sorted(self.stage.cluster.instances("c2s"))
        self.life = Life(self.stage, connection, full, edges[self._edge])
        self._born(self.life)
        self.life.send(f"<presence><status>{self.life.announced}</status></presence>")


class PlainClients(Part):
    ACCOUNTS = ("p0", "p1", "x")

    def __init__(self, stage):
        super().__init__(stage)
        self.lives = []  # that are not judged, or not over

    async def begin(self):
        self._buddy = self.stage.client("x")
        self._plains = [Plain(self.stage, f"p{n}", n, self._born) for n in range(2)]
        await asyncio.gather(*(self._introduce(plain.account) for plain in self._plains))
        for plain in self._plains:
            self.stage.spawn(plain.run())
        self.stage.act("talk without stream management", self._talk, 0, 0.08)

    async def _introduce(self, account):
        client = self.stage.client(account, "first")
        ready = lambda: self._buddy.view is not None and client.settle()
        await self.stage.until(ready, f"{account} settled")
        await self.stage.befriend(self._buddy, client)
        await client.log_out()

    def _born(self, life):
        flow = self.stage.post.flow
        self.lives.append(life)
        self.stage.sight.watch(self._buddy, life)
        life.heard = flow(self._buddy, life.wanted, "", "one")
        life.said = [flow(life, self._buddy.wanted, "chat", "one"), flow(life, self._buddy.jid, "", "one")]
        life.said += [flow(life, plain.life.wanted, "", "one") for plain in self._plains if plain.life not in (None, life)]

    async def _talk(self):
        life = self.random.choice(self._plains).life
        if life is None:
            return
        self.stage.post.send(self.random.choice(life.said))
        self.stage.post.send(life.heard)
        ask = self.stage.inquiry.ask
        if self.random.random() < 0.3:
            others = [plain.life.wanted for plain in self._plains if plain.life]
            ask(life, self.random.choice([None, DOMAIN, self._buddy.wanted, *others]), "get", PING)
        if self.random.random() < 0.2:
            ask(self._buddy, life.wanted, "get", PING)
        if self.random.random() < 0.01:
            life.connection.abort()

    async def rest(self):
        living = [life for life in self.lives if not life.over]
        for life in living:
            life.taken()
        for life in self.lives:
            if life.over:
                self._judge_gaps(life)
                self.stage.post.forgive(Exposed(life, life.edge, life.over_since, life.over_since))
        self.lives = living

    def _judge_gaps(self, life):
        for flow in life.said:
            came = [bool(letter.decided()) for letter in flow.letters.values() if not letter.forgiven]
            if sorted(came, reverse=True) != came:
                self.stage.counts["gaps in what dead plain connections said"] += 1
                if not self._harmed(life, self.stage.owners.get(flow.to)):
                    self.stage.broken(f"gap: {flow}, came {came}")

    def _harmed(self, *ends):
        """Whether one of these had no stream management, and an edge that failed."""
        edges = [end.edge for end in ends if isinstance(end, Life)]
        return self.stage.struck == "c2s" and self.stage.fault.victim in edges

    def check(self):
        stored = self.stage.database.offline()
        for plain in self._plains:
            if plain.life is not None and plain.account in stored:
                yield f"{stored[plain.account]} messages are left in the store of {plain.account}, who is there"
