"""What numbered messages do not cover, under faults, in short: see the modules in variety/."""

import chaos
import pytest
from variety import run as variety

FAULTS = [("kill", "c2s"), ("kill", "roster"), ("kill", "router"), ("stop", "roster"), ("drain", "router"), ("stop", "router")]


class Short(variety.VarietyRun):
    async def finish(self):
        """Without Redis, which test_chaos_short waits for."""
        await self.stage.end()


@pytest.fixture
def running(tmp_path):
    """running(seed): a run whose clients wait for rounds; when the block ends, nothing may be broken."""

    def start(seed):
        where = ["--dir", str(tmp_path / "cluster")]
        options = variety.parser().parse_args([*where, "--longest", "2", "--seed", str(seed)])
        return chaos.keeping_promises(Short(options))

    return start


async def test_services_that_fail_break_nothing(running):
    async with running(seed=1) as run:
        for kind, service in FAULTS:
            await run.round(kind, service)
    assert run.stage.counts["messages"] > 200
    assert run.stage.counts["subscription steps"] > 10


async def test_postgres_that_fails_breaks_nothing(running):
    async with running(seed=2) as run:
        await run.round("kill", "postgres")
        await run.round("stop", "postgres")
