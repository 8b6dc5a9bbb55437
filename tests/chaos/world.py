"""The sessions of a run and what they do: numbered messages, pings, absences."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

from ledger import Ledger
from session import Session
from watch import Watch

DOMAIN = "localhost"
PASSWORD = "chaos is found"
TICK_SECONDS = 0.25
STALL_SECONDS = 0.5
SHORT_SHARE = 0.5  # of the time: then the machine is short of CPU


class World:
    """`place`: where the cluster is (see Session)."""

    def __init__(self, place, random, options):
        self.place, self.random, self.options = place, random, options
        self.now = asyncio.get_running_loop().time
        self.ledger = Ledger(self.now)
        self.sessions = []
        self.watch = Watch(self, DOMAIN, len(place.edges))
        self.stopping = False
        self.stalls = []  # (from, to): when we ourselves stood still
        self._began, self._waited = self.now(), _waited_for_cpu()
        self._tasks = []

    def accounts(self):
        """All bare JIDs that a run needs, to be made before it starts."""
        return [f"c{n}@{DOMAIN}" for n in range(self.options.sessions)] + self.watch.accounts()

    # -- beginning --------------------------------------------------------------------------------------------------

    async def begin(self):
        self._make_sessions()
        self._make_flows()
        for session in self.sessions:
            self.spawn(session.run())
        self.spawn(self._ticks())
        if not await self.until(self.settled, "all sessions bound"):
            raise RuntimeError(f"sessions cannot begin: {self.ledger.ends.most_common(3)}")
        await self.watch.begin()
        for work in (self._messages, self._questions, self._absences):
            self.spawn(work())

    def spawn(self, work):
        self._tasks.append(asyncio.create_task(work))

    def _make_sessions(self):
        """Every third account has two resources. One account in twenty asks for a short time to resume in."""
        number = 0
        while len(self.sessions) < self.options.sessions:
            resources = ["balcony", "orchard"] if number % 3 == 0 else ["balcony"]
            for resource in resources[: self.options.sessions - len(self.sessions)]:
                short = self.options.short_max if number % 20 == 7 else None
                self.sessions.append(self.session(f"c{number}@{DOMAIN}", resource, short))
            number += 1

    def session(self, jid, resource, resume_max=None):
        return Session(self.place, jid, resource, self.random, self.ledger, resume_max=resume_max)

    def _make_flows(self):
        """Each writes to the one after the next: to its full JID, and if it has two resources to the bare JID, too."""
        for at, sender in enumerate(self.sessions):
            partner = self.sessions[(at + 2) % len(self.sessions)]
            self.ledger.add_flow(sender, f"{partner.jid}/{partner.resource}", [partner], False)
            resources = [session for session in self.sessions if session.jid == partner.jid]
            if len(resources) > 1:
                self.ledger.add_flow(sender, partner.jid, resources, True)

    # -- the load ---------------------------------------------------------------------------------------------------

    async def _ticks(self):
        last = self.now()
        while True:
            for session in self.sessions + self.watch.watchers:
                session.tick()
            await asyncio.sleep(TICK_SECONDS)
            due, last = last + TICK_SECONDS, self.now()
            if last - due > STALL_SECONDS:
                self.stalls.append((due, last))

    async def _messages(self):
        """A steady rate over all flows, in random order."""
        flows = list(self.ledger.flows)
        due = self.now()
        while not self.stopping:
            self.random.shuffle(flows)
            for flow in flows:
                if flow.sender.full is not None and not self.stopping:
                    self.ledger.send_next(flow)
                due += 1 / (self.options.rate * len(flows))
                await asyncio.sleep(max(0, due - self.now()))

    async def _questions(self):
        while not self.stopping:
            session = self.random.choice(self.sessions)
            if session.attached:
                partner = self.random.choice([None, self.random.choice(self.sessions)])
                self.ledger.ask(session, partner if partner is not session else None)
            await asyncio.sleep(4 / len(self.sessions))

    async def _absences(self):
        """Clients that lose their network, each about once in twenty seconds."""
        while not self.stopping:
            await asyncio.sleep(self.random.uniform(0, 40 / len(self.sessions)))
            session = self.random.choice(self.sessions)
            if not session.attached or self.stopping:
                continue
            limit = session.sm_max or 30
            if session.resume_max and limit < 30 and self.random.random() < 0.5:
                seconds = limit + self.random.uniform(2, 5)
            else:
                seconds = self.random.uniform(0, min(10, limit * 0.6))
            session.leave(seconds, silently=self.random.random() < 0.4)

    # -- waiting ----------------------------------------------------------------------------------------------------

    def settled(self):
        """Nobody who wants to be there is not, and nobody's stanzas are stuck."""
        if self.stopping:
            return all(session.settled for session in self.sessions)
        return all(self.well(session) for session in self.sessions)

    def well(self, session):
        return session.away_until > self.now() - 1 or (session.attached and session.fresh)

    def all_seen_well(self):
        """A condition: each session was well once, since this call. Among many, some are always just being cut off."""
        missing = set(self.sessions)

        def met():
            missing.difference_update([session for session in missing if self.well(session)])
            return not missing

        return met

    async def until(self, condition, what, seconds=60, pause=0.05):
        deadline = self.now() + seconds
        while not condition():
            if self.now() > deadline:
                self.ledger.violations.append(f"not within {seconds} s: {what}")
                return False
            await asyncio.sleep(pause)
        return True

    def short_of_cpu(self):
        """The share of the time in which somebody waited for a CPU, if that was most of it; else 0."""
        share = (_waited_for_cpu() - self._waited) / (self.now() - self._began)
        return share if share > SHORT_SHARE else 0

    # -- the end ----------------------------------------------------------------------------------------------------

    async def finish(self, stored):
        """`stored`: tells how many messages are in the offline store."""
        self.stopping = True
        ledger = self.ledger
        await self.until(self.settled, "all sessions attached, everything acknowledged")
        held = len(ledger.undecided())
        await self.until(lambda: len(ledger.undecided()) <= stored(), f"{held} messages delivered or stored", 30, 0.5)
        await self.until(lambda: not ledger.unanswered(), "every iq answered", 15, 0.5)
        await asyncio.gather(*(session.close() for session in self.sessions))
        await self._collect(stored)
        await self.watch.end()
        for task in self._tasks:
            task.cancel()

    async def _collect(self, stored):
        """Reads what is in the offline store, as its owners would."""
        accounts = sorted({session.jid for session in self.sessions})
        collectors = [self.session(jid, "collector") for jid in accounts]
        self.sessions = collectors
        for session in collectors:
            self.spawn(session.run())
        await self.until(lambda: self.settled() and not stored(), "offline messages fetched")
        await asyncio.gather(*(session.close() for session in collectors))


def _waited_for_cpu():
    """Seconds in which somebody on this machine did. 0: its kernel does not tell."""
    try:
        some = Path("/proc/pressure/cpu").read_text().splitlines()[0]
    except OSError:
        return 0
    return int(some.rpartition("total=")[2]) / 1e6


def place_of(cluster, context):
    edges = [cluster.addresses(name) for name in sorted(cluster.instances("c2s"))]
    return SimpleNamespace(
        edges=[[edge["xmpp"], edge["xmpps"]] for edge in edges], context=context, password=PASSWORD
    )
