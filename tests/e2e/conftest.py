"""One real cluster (two c2s, two routers, one roster, Redis, PostgreSQL) for all tests that do no harm; each test gets
accounts of its own. Tests that kill or stop processes start a cluster for themselves (`own_cluster`)."""

import asyncio
import itertools
import os
import ssl
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.append(str(ROOT / "tests" / "chaos"))

from parley_dev.cluster import Cluster  # noqa: E402
from managed import PASSWORD  # noqa: E402
from proxied import ProxiedCluster  # noqa: E402
from rawxmpp import Raw, befriend  # noqa: E402

DOMAINS = ["localhost", "second.test"]
ACCOUNTS = 500
OURS = 1  # the edge that is of this release also where the other is of the one before (./parley test upgrade)
LOG_LINES = 40
# Tests send faster than a person; the limits have tests of their own.
NO_LIMITS = [
    "c2s.stanzas_per_second=0",
    "c2s.bytes_per_second=0",
    "c2s.connections_per_second_per_address=0",
    "c2s.auth_failures_per_minute_per_address=0",
    "c2s.auth_failure_delay=0ms",
    # Clients of tests that are over do not answer the closing of their streams.
    "c2s.close_timeout=300ms",
    # Sessions of edges that tests kill are over when their clients' time is.
    "router.sm_orphan_grace=0s",
]


class World:
    """A running cluster as tests see it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.edges = [cluster.addresses(name) for name in sorted(cluster.instances("c2s"))]
        self.context = ssl.create_default_context(cafile=cluster.ca_file)
        self._numbers = itertools.count()
        lines = [f"user{n}@{domain} {PASSWORD}\n" for domain in DOMAINS for n in range(ACCOUNTS)]
        made = cluster.ctl("user", "import", "-", stdin="".join(lines))
        assert made.returncode == 0, made.stderr

    def account(self, domain=DOMAINS[0]):
        """The bare JID of an account that no other test uses."""
        number = next(self._numbers)
        assert number < ACCOUNTS, "raise ACCOUNTS in conftest.py"
        return f"user{number}@{domain}"

    def accounts(self, count):
        return [self.account() for _ in range(count)]

    async def login(self, jid, edge=0, resource=None, available=True):
        """As clients do: roster first, then presence. `available` false: bound, and nothing else."""
        raw = await Raw.login(self.edges[edge]["xmpp"], jid, PASSWORD, self.context, resource)
        if available:
            await raw.roster()
            await raw.available()
        return raw

    async def pair(self):
        """Two available users on different edges."""
        romeo, juliet = self.accounts(2)
        return await self.login(romeo, 0), await self.login(juliet, 1)

    async def friends(self):
        """Two available users on different edges with a mutual subscription, and nothing left to receive."""
        romeo, juliet = await self.pair()
        await befriend(romeo, juliet)
        return romeo, juliet


def start_cluster(directory, counts=None, settings=(), mtls=False, kind=Cluster):
    cluster = kind(directory)
    counts = {"c2s": 2, "router": 2, "roster": 1} | (counts or {})
    if "PARLEY_PREVIOUS" in os.environ:  # ./parley test upgrade: half of it is of the release before
        cluster.programs = dict.fromkeys(["c2s-1", "router-1"], Path(os.environ["PARLEY_PREVIOUS"]))
    try:
        cluster.up(
            counts, DOMAINS, [*NO_LIMITS, *settings],
            quiet=True, fixed_ports=False, built=True, demo_users=False, mtls=mtls,
        )  # fmt: skip
    except BaseException:
        cluster.down()  # what did start
        raise
    return cluster


@pytest.fixture(scope="session")
def brief(tmp_path_factory):
    """A world where a session may not be away for long, and clients are told where to come back. Tests do it no harm."""
    settings = ["c2s.sm_resume_timeout=1500ms", "c2s.sm_location=chat.example:5222"]
    cluster = start_cluster(tmp_path_factory.mktemp("brief"), settings=settings)
    yield World(cluster)
    cluster.down()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    cluster = start_cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def world(cluster):
    return World(cluster)


@pytest.fixture
def own_cluster(tmp_path):
    """Starts clusters that a test may break: own_cluster(counts, settings) -> World. `kind`: ProxiedCluster, for one
    whose links can be cut."""
    started = []

    def start(counts=None, settings=(), kind=Cluster):
        cluster = start_cluster(tmp_path / f"cluster{len(started)}", counts, settings, kind=kind)
        started.append(cluster)
        return World(cluster)

    yield start
    for cluster in started:
        cluster.down()
        print_logs(cluster)


def print_logs(cluster):
    """What pytest shows when the test failed."""
    for log in sorted(cluster.directory.glob("**/*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print(f"--- {log.name}", *lines[-LOG_LINES:], sep="\n")


def pytest_collection_modifyitems(items):
    for item in items:
        if asyncio.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio)
