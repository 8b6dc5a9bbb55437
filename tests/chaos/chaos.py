"""Sessions with stream management exchange numbered messages while processes are killed, stopped, drained, restarted
and cut off, one at a time. Ends with counts and times, and with status 1 if a promise was broken."""

import argparse
import asyncio
import itertools
import random
import shutil
import signal
import ssl
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e"), str(Path(__file__).resolve().parent)]

from parley_dev.keeper import kept  # noqa: E402
from faults import FAULTS, MACHINE, SERVICES, Saboteur  # noqa: E402
from proxied import ProxiedCluster  # noqa: E402
from recovery import noticed  # noqa: E402
from report import print_report, print_violations, redis_garbage  # noqa: E402
from stored import rows  # noqa: E402
from world import DOMAIN, PASSWORD, World, place_of  # noqa: E402

RECOVERY_SECONDS = 60
ROLLING = "rolling"


def add_common(top, directory, longest, faults, services):
    """Options of every driver that harms a cluster of its own."""
    top.add_argument("--seconds", type=float, default=300, help="how long faults go on (300)")
    top.add_argument("--longest", type=float, default=longest, help=f"seconds that a fault lasts at most ({longest})")
    top.add_argument("--faults", default=",".join(faults), help="which (%(default)s)")
    top.add_argument("--services", default=",".join(services), help="to which (%(default)s)")
    top.add_argument("--seed", type=int, default=int(time.time()), help="repeats the schedule of an earlier run")
    where = str(ROOT / "var" / directory)
    top.add_argument("--dir", default=where, help="the cluster's directory; emptied first")
    top.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a configuration key")
    for service in ("c2s", "router", "roster"):
        top.add_argument(f"--{service}", type=int, default=2, help="processes (2)")


def parser():
    top = argparse.ArgumentParser(
        prog="parley chaos", description=__doc__, epilog="parley chaos variety --help: what numbered messages do not cover"
    )
    add_common(top, "chaos", longest=15, faults=[*FAULTS, ROLLING], services=SERVICES)
    top.add_argument("--sessions", type=int, default=100, help="sessions (100)")
    top.add_argument("--rate", type=float, default=1.0, help="messages per second of each flow (1)")
    top.add_argument("--strict", action="store_true", help="a goal missed by far is a broken promise, if times say anything")
    top.add_argument("--short-max", type=int, default=8, help="resumption time that some clients ask for, s (8)")
    return top


class Run:
    """A cluster, its world, its saboteur. `say` prints progress."""

    # All clients come from one address, and the offline store must hold what a whole fault leaves there.
    SETTINGS = ["c2s.connections_per_second_per_address=0", "roster.max_offline_messages=10000"]

    def __init__(self, options, say=print):
        self.options, self.say = options, say
        self.random = random.Random(options.seed)
        self.cluster = None
        self.world = None
        self.saboteur = None
        self.garbage = []
        self._stored = (0.0, 0)

    def start_cluster(self):
        self.make_cluster().kill_all()  # what an earlier run left there, should its keeper not be done yet
        shutil.rmtree(self.options.dir, ignore_errors=True)
        self.cluster = self.make_cluster()
        counts = {service: getattr(self.options, service) for service in ("c2s", "router", "roster")}
        settings = self.SETTINGS + self.options.set
        self.cluster.up(counts, [DOMAIN], settings, quiet=True, fixed_ports=False, built=True, demo_users=False)

    def make_cluster(self):
        return ProxiedCluster(self.options.dir)

    async def begin(self):
        place = place_of(self.cluster, ssl.create_default_context(cafile=self.cluster.ca_file))
        # Clients draw by the clock: the schedule of faults, which the seed repeats, has numbers of its own.
        self.world = World(place, random.Random(self.options.seed + 1), self.options)
        self.import_accounts(self.world.accounts())
        self.saboteur = Saboteur(self.cluster, self.random, self.world.now, self.options.longest)
        await self.world.begin()

    def import_accounts(self, jids):
        made = self.cluster.ctl("user", "import", "-", stdin="".join(f"{jid} {PASSWORD}\n" for jid in jids))
        if made.returncode != 0:
            raise RuntimeError(made.stderr)

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
            counted = rows(self.cluster, "SELECT count(*) FROM offline_messages")
            self._stored = (time.monotonic(), int(counted[0][0]))
        return self._stored[1]

    def bounced(self, *excused):
        """What bounced while there was no fault of the `excused` services, nor recovery from one."""
        faults = [fault for fault in self.saboteur.done if fault.service in excused]
        return list(self.world.ledger.bounced([(fault.began, fault.recovered) for fault in faults]))

    def so_far(self):
        """What is broken already, of a run that was cut short."""
        return self.world.ledger.so_far() if self.world else []

    def report(self):
        """Prints it; returns what was broken."""
        return print_report(self)


@asynccontextmanager
async def cluster_of(run):
    """Up while the block lasts. Where an exception ends it, what was broken by then is told: there is no report."""
    with kept(run.options.dir):
        try:
            run.start_cluster()
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
    broken = run.report()
    assert not broken, "\n".join(broken[:20])


def short_options(directory, *arguments):
    return parser().parse_args([*arguments, "--dir", str(directory), "--longest", "3"])


def pairs_of(options):
    """Which faults can be done to which services."""
    pairs = itertools.product(options.faults.split(","), options.services.split(","))
    return [(kind, service) for kind, service in pairs if service != MACHINE or kind == "stop"]


async def schedule(run):
    """Each kind of fault to each kind of process, shuffled, again and again until the time is over."""
    options = run.options
    pairs = [pair for pair in pairs_of(options) if pair[0] != ROLLING]
    ends = run.world.now() + options.seconds
    while run.world.now() < ends:
        run.random.shuffle(pairs)
        for kind, service in pairs:
            if run.world.now() < ends:
                await run.strike(kind, service)
                await asyncio.sleep(run.random.uniform(1, 3))  # what is usual, for the report
        if ROLLING in options.faults.split(",") and run.world.now() < ends:
            await run.roll()


async def conduct(run, schedule):
    """A run from its beginning to its report; the exit status."""
    print(f"seed {run.options.seed}", flush=True)
    # Ended from outside, it tells what was broken by then; asyncio itself sees to SIGINT.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            asyncio.get_running_loop().add_signal_handler(number, asyncio.current_task().cancel)
    async with cluster_of(run):
        await run.begin()
        await schedule(run)
        await run.finish()
    return 1 if run.report() else 0


async def main():
    run = Run(parser().parse_args(), say=lambda text: print(text, flush=True))
    return await conduct(run, schedule)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
