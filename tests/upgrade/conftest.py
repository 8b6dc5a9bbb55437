"""Clusters of two releases: this one and the one before (tests/upgrade/previous), whose programs are in
$PARLEY_PREVIOUS. Run by ./parley test upgrade."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), *(str(ROOT / "tests" / part) for part in ("e2e", "chaos", "upgrade"))]

from both import BothReleases  # noqa: E402
import chaos  # noqa: E402


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

    def start(old, *arguments):
        return chaos.keeping_promises(BothReleases(chaos.short_options(tmp_path / "cluster", *arguments), old))

    return start
