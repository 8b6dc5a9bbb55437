"""Clients do all that the numbered messages of `parley chaos` do not cover (iqs, rosters, subscriptions, presence,
offline messages, all types of messages to several resources, conflicts, clients without stream management) while
processes are killed, stopped, drained, restarted and cut off. Each round has a fault; then all comes to rest and is
judged. Ends with counts, and with status 1 if anything was broken."""

import argparse
import asyncio
import itertools
import ssl

import chaos
from faults import FAULTS, SERVICES, Saboteur
from report import broken_in_cluster, print_broken, redis_garbage
from world import DOMAIN, PASSWORD, place_of

from variety.conflicts import Conflicts
from variety.iqs import Iqs
from variety.offline import Offline
from variety.plain import PlainClients
from variety.presence import Presence
from variety.resources import Resources
from variety.rosters import Rosters
from variety.stage import Stage
from variety.subscriptions import Subscriptions

PARTS = {
    "presence": Presence, "rosters": Rosters, "subscriptions": Subscriptions, "iqs": Iqs, "offline": Offline,
    "resources": Resources, "plain": PlainClients, "conflicts": Conflicts,
}  # fmt: skip
NONE = "none"


def parser():
    top = argparse.ArgumentParser(prog="parley chaos variety", description=__doc__)
    chaos.add_common(top, "variety", longest=4, faults=[*FAULTS, NONE], services=SERVICES)
    top.add_argument("--parts", default=",".join(PARTS), help="which subjects (%(default)s)")
    return top


class VarietyRun(chaos.Run):
    """The seed gives the schedule: its numbers are used for nothing else."""

    SETTINGS = [
        *chaos.Run.SETTINGS, "c2s.stanzas_per_second=0", "c2s.bytes_per_second=0", "c2s.auth_failure_delay=0ms",
        "c2s.close_timeout=300ms", "roster.max_offline_bytes=100MiB", "router.sm_orphan_grace=2s",
    ]  # fmt: skip

    def __init__(self, options, say=print):
        super().__init__(options, say)
        self.stage = None
        self._numbers = itertools.count(1)

    async def begin(self):
        parts = [PARTS[name] for name in self.options.parts.split(",")]
        self.import_accounts(f"{account}@{DOMAIN}" for part in parts for account in part.ACCOUNTS)
        place = place_of(self.cluster, ssl.create_default_context(cafile=self.cluster.ca_file))
        self.stage = Stage(self.cluster, place, self.options.seed + 1, self.say)
        self.saboteur = Saboteur(self.cluster, self.random, self.stage.now, self.options.longest)
        await self.stage.begin([part(self.stage) for part in parts])

    async def round(self, kind, service):
        """One fault while clients act, then rest."""
        stage = self.stage
        stage.begin_round(f"round {next(self._numbers)}", service)
        await asyncio.sleep(self.random.uniform(0.3, 1.5))
        if kind != NONE:
            stage.fault = fault = await self.saboteur.strike(kind, service)
            stage.round += f", {fault.text} ({fault.began:.1f} to {fault.healed:.1f})"
        await asyncio.sleep(self.random.uniform(0.1, 1))
        await stage.end_round()

    async def finish(self):
        await self.stage.end()
        self.garbage = await redis_garbage(self.cluster)

    def so_far(self):
        return list(self.stage.violations) if self.stage else []

    def report(self):
        broken = self.so_far() + broken_in_cluster(self)
        for name, count in sorted(self.stage.counts.items()):
            print(f"{count:>8}  {name}")
        print_broken(broken)
        print(f"{len(broken)} broken, seed {self.options.seed}")
        return broken


async def schedule(run):
    """Each kind of fault to each service, shuffled, again and again until the time is over."""
    pairs = [pair for pair in chaos.pairs_of(run.options) if pair[0] != NONE]
    if NONE in run.options.faults.split(","):
        pairs.append((NONE, None))
    ends = run.stage.now() + run.options.seconds
    while run.stage.now() < ends:
        run.random.shuffle(pairs)
        for pair in pairs:
            if run.stage.now() < ends:
                await run.round(*pair)


async def main():
    run = VarietyRun(parser().parse_args(), say=lambda text: print(text, flush=True))
    return await chaos.conduct(run, schedule)
