"""Adjacent releases: one after the other in a running cluster, and side by side. Clients that resume, mostly on another
edge than the one they were on, count every message (tests/chaos/ledger.py)."""

import subprocess
from types import SimpleNamespace

import pytest
from both import BothReleases, previous
from parley_dev import previous as before
from parley_dev.cluster import Cluster

INSTANCES = [f"{service}-{number}" for service in ("roster", "router", "c2s") for number in (1, 2)]
LOAD = ("--sessions", "30", "--rate", "10")


def resumed(run):
    return {row.session for row in run.world.ledger.attached if row.how == "resumed"}


def test_programs_are_of_two_releases():
    shown = subprocess.run([previous() / "parley-c2s", "--version"], capture_output=True, text=True, check=True).stdout
    assert before.release()[0] in shown


def test_the_release_before_gets_the_settings_that_it_knows(tmp_path):
    cluster = Cluster(tmp_path)
    cluster.programs = {"c2s-1": previous()}
    known = ["c2s.close_timeout=300ms", "hosts.localhost.external=true", "hosts.second.test.plain=false", "hosts.*.anonymous=true"]
    unknown = ["c2s.key_of_tomorrow=1", "hosts.localhost.key_of_tomorrow=1"]
    cluster.size({"c2s": 1}, ["localhost"], known + unknown, fixed_ports=False)
    command = cluster.command("c2s-1")
    assert [setting for setting in known + unknown if setting in command] == known


@pytest.mark.parametrize(("old", "broken"), [([], 1), (["c2s-1", "roster-1"], 1), (["router-1"], 0)])
def test_only_with_routers_of_the_release_before_may_it_be_told_twice_who_is_gone(old, broken):
    violations = []
    run = SimpleNamespace(former=set(old))
    run.world = SimpleNamespace(ledger=SimpleNamespace(violations=violations))
    BothReleases.judge_told_twice(run, "w was told twice")
    assert len(violations) == broken


async def test_rolling_upgrade_under_load_loses_and_repeats_nothing(running):
    async with running(INSTANCES, *LOAD) as run:
        run.migrate()
        for name in run.names():
            await run.replace(name)
            if not name.startswith("roster"):  # routers of 0.1 know nobody's release
                assert await run.differ(name != run.names()[-1])
    assert len(resumed(run)) >= 20, "both edges were replaced: everybody came back at least once"


async def test_rolling_back_under_load_loses_and_repeats_nothing(running):
    async with running([], *LOAD) as run:
        for name in reversed(run.names()):
            await run.replace(name, previous())
    assert len(resumed(run)) >= 20


@pytest.mark.parametrize("old", [("roster-1", "router-1", "c2s-1"), ("router-1", "router-2"), ("c2s-1", "c2s-2")], ids="+".join)
async def test_side_by_side_faults_lose_and_repeat_nothing(running, old):
    """Each release takes over what the other one's dead process left."""
    async with running(old, "--sessions", "30", "--rate", "5") as run:
        for kind, victim in [("kill", "c2s-1"), ("kill", "c2s-2"), ("kill", "router-1"), ("kill", "router-2"),
                             ("drain", "c2s-1"), ("drain", "c2s-2"), ("kill", "roster-1"), ("kill", "roster-2")]:
            await run.strike(kind, victim.split("-")[0], victim)
    assert len(resumed(run)) >= 20
