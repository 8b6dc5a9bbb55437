"""The chaos driver in short: each kind of fault to each kind of process once, and a rolling restart, under load."""

from contextlib import asynccontextmanager

import chaos
import pytest
from faults import FAULTS


@pytest.fixture
def running(tmp_path):
    """running(): a Run whose sessions talk; when the block ends, no promise may be broken, and nothing have bounced but
    what the store could not take while it was away."""

    @asynccontextmanager
    async def start(*arguments):
        run = chaos.Run(chaos.short_options(tmp_path / "cluster", *arguments))
        async with chaos.keeping_promises(run):
            yield run
        assert not run.bounced("postgres")

    return start


@pytest.mark.parametrize("services", [("c2s", "router", "roster"), ("redis", "postgres")], ids="-".join)
async def test_each_fault_loses_and_repeats_nothing(running, services):
    async with running("--sessions", "30", "--rate", "3") as run:
        for kind in FAULTS:
            for service in services:
                await run.strike(kind, service)
    how = [row.how for row in run.world.ledger.attached]
    assert how.count("resumed") >= 10
    counts, _ = run.world.ledger.verdict()
    assert counts["acknowledged"] >= 1000


async def test_edges_that_are_out_beyond_their_lease_lose_and_repeat_nothing(running):
    """Frozen, dead, cut off from all: their clients are on the other edge when they are back."""
    async with running("--sessions", "30", "--rate", "3", "--strict") as run:
        await run.strike("stop", "c2s", "c2s-1", seconds=9)
        await run.strike("kill", "c2s", "c2s-2", seconds=6)
        for edge, how in (("c2s-1", "hold"), ("c2s-2", "cut")):
            await run.strike("partition", "c2s", edge, seconds=9, partition=(run.cluster.links(edge), how))
    assert any(row.how == "resumed" for row in run.world.ledger.attached)


@pytest.mark.parametrize("how", ["hold", "cut"])
async def test_edge_without_redis_beyond_its_lease_loses_and_repeats_nothing(running, how):
    """Its clients stay with it, and nobody serves them beside it."""
    async with running("--sessions", "30", "--rate", "3") as run:
        await run.strike("partition", "c2s", "c2s-1", seconds=7, partition=(["c2s-1>redis"], how))


async def test_rolling_restart_under_load_loses_and_repeats_nothing(running):
    async with running("--sessions", "30", "--rate", "10", "--strict") as run:
        await run.roll()
    resumed = [row.session for row in run.world.ledger.attached if row.how == "resumed"]
    assert len(set(resumed)) >= 20, "both edges were restarted: everybody came back at least once"
    # Those who asked for a short time may have stayed away for longer.
    lost = [session.full for session, *_ in run.world.ledger.losses if not session.resume_max]
    assert not lost
