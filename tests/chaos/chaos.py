"""Sessions with stream management exchange numbered messages while processes are killed, stopped, drained, restarted
and cut off, one at a time. Ends with counts and times, and with status 1 if a promise was broken."""

import argparse
import asyncio
import itertools
import random
import shutil
import signal
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e"), str(Path(__file__).resolve().parent)]

from faults import FAULTS, MACHINE, SERVICES, Saboteur  # noqa: E402
from proxied import ProxiedCluster  # noqa: E402
from recovery import noticed  # noqa: E402
from report import print_report, print_violations, redis_garbage  # noqa: E402
from world import DOMAIN, PASSWORD, World, place_of  # noqa: E402

# All clients come from one address, and the offline store must hold what a whole fault leaves there.
SETTINGS = ["c2s.connections_per_second_per_address=0", "roster.max_offline_messages=10000"]
RECOVERY_SECONDS = 60
ROLLING = "rolling"


def parser():
    top = argparse.ArgumentParser(prog="parley chaos", description=__doc__)
    top.add_argument("--seconds", type=float, default=300, help="how long faults go on (300)")
    top.add_argument("--sessions", type=int, default=100, help="sessions (100)")
    top.add_argument("--rate", type=float, default=1.0, help="messages per second of each flow (1)")
    top.add_argument("--longest", type=float, default=15, help="seconds that a fault lasts at most (15)")
    top.add_argument("--faults", default=",".join([*FAULTS, ROLLING]), help="which (%(default)s)")
    top.add_argument("--services", default=",".join(SERVICES), help="to which (%(default)s)")
    top.add_argument("--seed", type=int, default=int(time.time()), help="repeats the schedule of an earlier run")
    top.add_argument("--short-max", type=int, default=8, help="resumption time that some clients ask for, s (8)")
    top.add_argument("--dir", default=str(ROOT / "var" / "chaos"), help="the cluster's directory; emptied first")
    top.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a configuration key")
    for service, count in (("c2s", 2), ("router", 2), ("roster", 2)):
        top.add_argument(f"--{service}", type=int, default=count, help=f"processes ({count})")
    return top


class Run:
    """A cluster, its world, its saboteur. `say` prints progress."""

    def __init__(self, options, say=print):
        self.options, self.say = options, say
        self.random = random.Random(options.seed)
        self.cluster = None
        self.world = None
        self.saboteur = None
        self.garbage = []
        self._stored = (0.0, 0)

    def start_cluster(self):
        shutil.rmtree(self.options.dir, ignore_errors=True)
        self.cluster = self.make_cluster()
        counts = {service: getattr(self.options, service) for service in ("c2s", "router", "roster")}
        settings = SETTINGS + self.options.set
        self.cluster.up(counts, [DOMAIN], settings, quiet=True, fixed_ports=False, built=True, demo_users=False)

    def make_cluster(self):
        return ProxiedCluster(self.options.dir)

    async def begin(self):
        place = place_of(self.cluster, ssl.create_default_context(cafile=self.cluster.ca_file))
        # Clients draw by the clock: the schedule of faults, which the seed repeats, has numbers of its own.
        self.world = World(place, random.Random(self.options.seed + 1), self.options)
        lines = "".join(f"{jid} {PASSWORD}\n" for jid in self.world.accounts())
        made = self.cluster.ctl("user", "import", "-", stdin=lines)
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        self.saboteur = Saboteur(self.cluster, self.random, self.world.now, self.options.longest)
        await self.world.begin()

    async def strike(self, kind, service, victim=None, seconds=None, partition=None):
        """One fault, and the recovery after it."""
        fault = await self.saboteur.strike(kind, service, victim, seconds, partition)
        await self.world.until(self.world.all_seen_well(), f"recovery from {fault.text}", RECOVERY_SECONDS)
        fault.recovered = self.world.now()
        self.say(f"{fault.text}: recovered {fault.recovered - fault.healed:.1f} s after its end")

    async def roll(self):
        """Every process is drained and started again, as an upgrade does."""
        for service in ("roster", "router", "c2s"):
            for victim in sorted(self.cluster.instances(service)):
                await self.strike("restart", service, victim)

    async def finish(self):
        await self.world.finish(self.stored)
        for fault in self.saboteur.done:
            if fault.service == "c2s":
                told = self.world.watch.told(int(fault.victim.rsplit("-", 1)[1]) - 1)
                fault.noticed = noticed(fault, self.saboteur.done, told)
        self.garbage = await redis_garbage(self.cluster)

    def stored(self):
        """Offline messages; asked anew a few times a second."""
        if time.monotonic() - self._stored[0] > 0.3:
            port = str(self.cluster.plan["stores"]["postgres"])
            counted = subprocess.run(
                ["psql", "-h", "127.0.0.1", "-p", port, "-U", "parley", "-d", "parley", "-Atc"]
                + ["SELECT count(*) FROM offline_messages"],
                capture_output=True, text=True, check=True,
            )
            self._stored = (time.monotonic(), int(counted.stdout))
        return self._stored[1]


@asynccontextmanager
async def cluster_of(run):
    """Up while the block lasts. Where an exception ends it, what was broken by then is told: there is no report."""
    run.start_cluster()
    try:
        yield
    except BaseException:
        print_violations(run)
        raise
    finally:
        if run.cluster.plan:
            run.cluster.down()


@asynccontextmanager
async def keeping_promises(run):
    """For tests: `run`'s sessions talk; when the block ends, no promise may be broken."""
    async with cluster_of(run):
        await run.begin()
        yield run
        await run.finish()
    broken = print_report(run)
    assert not broken, "\n".join(broken[:20])


def short_options(directory, *arguments):
    return parser().parse_args([*arguments, "--dir", str(directory), "--longest", "3"])


async def schedule(run):
    """Each kind of fault to each kind of process, shuffled, again and again until the time is over."""
    options = run.options
    kinds, services = options.faults.split(","), options.services.split(",")
    pairs = [pair for pair in itertools.product(kinds, services) if pair[0] != ROLLING]
    pairs = [(kind, service) for kind, service in pairs if service != MACHINE or kind == "stop"]
    ends = run.world.now() + options.seconds
    while run.world.now() < ends:
        run.random.shuffle(pairs)
        for kind, service in pairs:
            if run.world.now() < ends:
                await run.strike(kind, service)
                await asyncio.sleep(run.random.uniform(1, 3))  # what is usual, for the report
        if ROLLING in kinds and run.world.now() < ends:
            await run.roll()


async def main():
    options = parser().parse_args()
    print(f"seed {options.seed}", flush=True)
    run = Run(options, say=lambda text: print(text, flush=True))
    # Ended from outside, it leaves no processes behind either.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    async with cluster_of(run):
        await run.begin()
        await schedule(run)
        await run.finish()
    return 1 if print_report(run) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
