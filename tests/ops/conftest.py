"""A whole cluster with some traffic, and a real Prometheus that scrapes it and evaluates our rules."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e"), str(Path(__file__).resolve().parent)]

from parley_dev.cluster import Cluster  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from traffic import Traffic  # noqa: E402


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    counts = {"c2s": 2, "router": 2, "roster": 1}
    # The same address fails over and over, and clients go without a word.
    settings = ["c2s.auth_failures_per_minute_per_address=0", "c2s.close_timeout=300ms"]
    cluster.up(counts, ["localhost"], settings, quiet=True, fixed_ports=False, built=True, demo_users=False, mtls=True)
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def traffic(cluster):
    return Traffic(cluster)


@pytest.fixture(scope="session")
def loaded(cluster, traffic):
    """Every kind of thing has happened at least once."""
    asyncio.run(traffic.once())
    return cluster


@pytest.fixture(scope="session")
def prometheus(loaded, traffic, tmp_path_factory):
    """While it runs, the same things go on happening: percentiles are of what happens now."""
    over = threading.Event()
    with Prometheus(loaded, tmp_path_factory.mktemp("prometheus")) as running, ThreadPoolExecutor(1) as background:
        going_on = background.submit(asyncio.run, traffic.keep_on(over.is_set))
        yield running
        over.set()
        going_on.result()
