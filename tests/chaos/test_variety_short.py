"""What numbered messages do not cover, under faults, in short: see the modules in variety/."""

import chaos
import pytest
from variety import run as variety


@pytest.fixture
def running(tmp_path):
    """running(seed): a VarietyRun whose clients wait for rounds; when the block ends, nothing may be broken."""

    def start(seed):
        options = variety.parser().parse_args(["--dir", str(tmp_path / "cluster"), "--longest", "2", "--seed", str(seed)])
        return chaos.keeping_promises(variety.VarietyRun(options))

    return start


async def test_services_that_fail_break_nothing(running):
    async with running(seed=1) as run:
        await run.round(("kill", "c2s"), ("stop", "router"), ("drain", "roster"))
        await run.round(("stop", "roster"), ("drain", "c2s"), ("kill", "router"))
    assert run.stage.counts["messages"] > 300
    assert run.stage.counts["subscription steps"] > 10


async def test_postgres_that_fails_breaks_nothing(running):
    async with running(seed=2) as run:
        await run.round(("kill", "postgres"))
        await run.round(("stop", "postgres"))
