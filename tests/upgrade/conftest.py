"""Clusters of two releases: this one and the one before (tests/upgrade/previous), whose programs are in
$PARLEY_PREVIOUS. Run by ./parley test upgrade."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), *(str(ROOT / "tests" / part) for part in ("e2e", "chaos", "upgrade"))]

from both import BothReleases  # noqa: E402
import chaos  # noqa: E402
from report import print_report  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if "PARLEY_PREVIOUS" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="run by ./parley test upgrade, which builds the release before"))
        if asyncio.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio)


@pytest.fixture
def running(tmp_path):
    """running(old, *arguments): a BothReleases whose sessions talk; at the end no promise may be broken. `old`: the
    instances that are of the release before, at first."""

    @asynccontextmanager
    async def start(old, *arguments):
        options = chaos.parser().parse_args([*arguments, "--dir", str(tmp_path / "cluster"), "--longest", "3"])
        run = BothReleases(options, old)
        run.start_cluster()
        try:
            await run.begin()
            yield run
            await run.finish()
        finally:
            run.cluster.down()
        broken = print_report(run)
        assert not broken, "\n".join(broken[:20])

    return start
