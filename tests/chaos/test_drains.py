"""What the saboteur and the report find of drains that do not end by themselves."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from faults import Saboteur
from report import cut_off_drains


@pytest.mark.parametrize(("kind", "by_itself", "broken"), [
    ("drain", True, 0), ("drain", False, 1), ("restart", True, 0), ("restart", False, 1),
    ("drain", None, 0),  # a store, which does not tell
])  # fmt: skip
async def test_who_had_to_be_killed_did_not_end_its_drain(kind, by_itself, broken):
    cluster = SimpleNamespace(
        instances=lambda *_: {}, stop=lambda name: by_itself, start=lambda name: None, wait_ready=lambda name: None
    )
    saboteur = Saboteur(cluster, random.Random(1), asyncio.get_running_loop().time, longest=1)
    await saboteur.strike(kind, "c2s", "c2s-1", seconds=0.01)
    assert len(saboteur.violations) == broken


def test_drain_that_was_cut_off_is_found_in_the_log(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "c2s-1.log").write_text("drain_started\ndrained\n")
    cluster = SimpleNamespace(directory=tmp_path)
    assert not list(cut_off_drains(cluster))
    (tmp_path / "log" / "router-1.log").write_text("drain_started\ndrain_cut_off limit_ms=20000\n")
    assert list(cut_off_drains(cluster)) == ["router-1: 1 drains were cut off"]
