"""What is done to the processes, one at a time."""

import asyncio
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field

from parley_dev.processes import Process

FAULTS = ["kill", "stop", "drain", "restart", "partition"]
MACHINE = "machine"  # everything at once, as if what it runs on stood still; it can only be stopped
SERVICES = ["c2s", "router", "roster", "redis", "postgres", MACHINE]


@dataclass
class Fault:
    kind: str
    service: str
    victim: str
    text: str
    began: float
    healed: float = 0.0
    recovered: float = 0.0
    noticed: float | None = None  # seconds until contacts of a dead edge's sessions were told
    links: list = field(default_factory=list)  # of a partition


class Saboteur:
    def __init__(self, cluster, random, now, longest):
        """`longest`: seconds that a fault lasts at most."""
        self.cluster, self.random, self.now = cluster, random, now
        self.spans = {"down": (0.2, longest / 2), "held": (2, longest)}
        self.done = []
        self.violations = []
        self._seconds = None  # instead of a random time
        self._partition_of = None  # instead of random links

    def pick(self, service):
        return self.random.choice(sorted(self.cluster.instances(service)) or [service])

    async def strike(self, kind, service, victim=None, seconds=None, partition=None):
        """Until the fault is over: everything runs again, though it may not have recovered.
        `partition`: links, and what becomes of them, "hold" or "cut"."""
        self._seconds = seconds
        self._partition_of = partition
        victim = victim or self.pick(service)
        fault = Fault(kind, service, victim, f"{kind} {victim}", self.now())
        self.done.append(fault)
        await getattr(self, f"_{kind}")(fault)
        for name in self._names(victim):
            await asyncio.to_thread(self.cluster.wait_ready, name)
        fault.healed = self.now()
        return fault

    def _names(self, victim):
        return [*self.cluster.instances(), "redis", "postgres"] if victim == MACHINE else [victim]

    async def _pause(self, span, fault):
        seconds = self._seconds or self.random.uniform(*self.spans[span])
        fault.text += f" for {seconds:.1f} s"
        await asyncio.sleep(seconds)

    async def _kill(self, fault):
        await asyncio.to_thread(self.cluster.kill, fault.victim)
        await self._pause("down", fault)
        await asyncio.to_thread(self.cluster.start, fault.victim)

    async def _stop(self, fault):
        names = self._names(fault.victim)
        self.random.shuffle(names)
        with frozen(self.cluster, names):
            await self._pause("held", fault)

    async def _drain(self, fault):
        await self._end(fault)
        await self._pause("down", fault)
        await asyncio.to_thread(self.cluster.start, fault.victim)

    async def _restart(self, fault):
        await self._end(fault)
        await asyncio.to_thread(self.cluster.start, fault.victim)

    async def _end(self, fault):
        """As an operator would. A store does not tell whether it ended by itself."""
        if await asyncio.to_thread(self.cluster.stop, fault.victim) is False:
            self.violations.append(f"{fault.text} at {fault.began:.2f}: it had to be killed")

    def _links(self, victim):
        links = self.cluster.links(victim)
        if self.random.random() < 0.3:
            links = self.random.sample(links, 1)
        return links, self.random.choice(["hold", "cut"])

    async def _partition(self, fault):
        links, how = self._partition_of or self._links(fault.victim)
        fault.links = links
        fault.text = f"partition {fault.victim} ({how} {'all' if len(links) > 1 else links[0]})"
        self.cluster.partition(links, how)
        try:
            await self._pause("held", fault)
        finally:
            self.cluster.partition(links, "release")


@contextmanager
def frozen(cluster, names):
    """These processes stand still while the block lasts."""
    pids = [Process(cluster.directory, name).pid() for name in names]
    pids += [child for pid in pids for child in children_of(pid)]  # PostgreSQL's backends stop with their parent
    for pid in pids:
        _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)


def children_of(pid):
    """Those that its first thread began."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except (ProcessLookupError, TypeError):
        pass
