"""What the benchmarks' harness makes of figures, and what it refuses to publish."""

import subprocess
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from manifests import ROOT

sys.path.insert(0, str(ROOT / "bench"))

from harness import growth, parley, table  # noqa: E402
from harness.scenarios import all_scenarios  # noqa: E402

SCENARIOS = {one.key: one for one in all_scenarios(3)}


def report(key, peer, number, cpu, p99=1.0, ok=True):
    latency = {"p50": p99 / 2, "p99": p99}
    return {"scenario": key, "peer": peer, "round": number, "cpu_us_per_unit": cpu, "latency_ms": latency,
            "per_second": 1000, "ok": ok, "problem": "lost"}  # fmt: skip


@pytest.mark.parametrize("tool", ["compare", "scale"])
@pytest.mark.parametrize("rounds", [["--rounds", "2"], ["--rounds", "1"]])
def test_few_rounds_are_not_published(tool, rounds):
    refused(tool, *rounds)


@pytest.mark.parametrize("command", [
    ["compare", "--scenarios", "login"], ["compare", "--only", "parley"], ["scale", "--axes", "open"],
])  # fmt: skip
def test_parts_are_not_published(command):
    refused(*command)


def refused(tool, *arguments):
    """At once: nothing is built or started."""
    ran = subprocess.run([ROOT / "bench" / tool, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 2 and "--output" in ran.stderr, ran.stderr


def test_a_ratio_is_taken_round_by_round():
    reports = [report("chat-1", peer, number, cpu) for peer, cpus in {"parley": (10, 40), "ejabberd": (40, 80), "prosody": (20, 90)}.items()
               for number, cpu in enumerate(cpus)]  # fmt: skip
    assert table.ratio(reports, SCENARIOS["chat-1"]) == "0.50 (0.50-0.50)"
    # Of the peers' figures for the same load, where Parley alone plays a scenario.
    reports += [report("chat-1-single", "parley", 0, 5), report("chat-1-single", "parley", 1, 20)]
    assert table.ratio(reports, SCENARIOS["chat-1-single"]) == "0.25 (0.25-0.25)"


def test_a_round_that_went_wrong_does_not_count():
    reports = [report("chat-1", "parley", 0, 10), report("chat-1", "parley", 1, 99, ok=False)]
    assert table.values(reports, SCENARIOS["chat-1"], "parley") == [10]
    assert table.failures([SCENARIOS["chat-1"]], reports)[-1].endswith("round 2, chat, 200 pairs, 1 in flight each: lost")


def test_a_table_has_spread_commit_and_date():
    peers = [SimpleNamespace(column="parley", version=lambda: f"Parley {parley.commit()}")]
    reports = [report(key, "parley", number, cpu, p99=cpu) for number in range(3)
               for key, cpu in {"chat-open": 100 + number, "chat-open-sm": 200 + 2 * number}.items()]  # fmt: skip
    arguments = SimpleNamespace(rounds=3, seconds=3)
    text = table.render([SCENARIOS["chat-open"], SCENARIOS["chat-open-sm"]], peers, reports, arguments, 0.5)
    assert "| 101.0 (100.0-102.0) |" in text
    assert "| 2.00 (2.00-2.00); 2.00 (2.00-2.00); 2.00 (2.00-2.00) |" in text, "what stream management costs"
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert head.stdout.strip() in text.splitlines()[0] and str(table.date.today()) in text.splitlines()[0]


def test_limits_stay_on_in_the_benchmarks(tmp_path):
    """0 would take a limit away; and the services must take what is set."""
    limits = dict(one.split("=") for one in parley.SETTINGS if "_per_" in one or "_burst" in one)
    assert len(limits) == 8 and "0" not in limits.values()
    cluster = parley.Parley(tmp_path).cluster
    cluster.size({"c2s": 1, "router": 1, "roster": 1}, ["localhost"], parley.SETTINGS, fixed_ports=False)
    cluster.write_config()
    command = [*cluster.command("c2s-1"), "--check-config"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


class Size(NamedTuple):
    processes: int


def a_row(count, cpu, frames):
    """Of `count` processes, with a little noise."""
    figures = [{"round": number, "cpu": cpu + 0.1 * (number - 1), "frames": frames} for number in range(3)]
    return growth.Row("c2s", count, Size(count), figures)


def test_frames_explain_what_larger_clusters_cost():
    rows = [a_row(1, 6, 0.01), a_row(2, 7, 0.02), a_row(4, 9, 0.04)]
    told = "\n".join(growth.conclusion(rows, [("c2s", rows[0], rows[-1])]))
    assert "c2s (1 to 4) 1.50 (1.49-1.51), frames 4.00 (4.00-4.00)" in told
    assert "CPU = 5.0 us + 100 us x frames" in told and "costs nothing that shows" in told


def test_what_frames_do_not_explain_is_told():
    told = "\n".join(growth.conclusion([a_row(1, 6, 0.01), a_row(2, 6, 0.04), a_row(4, 12, 0.02)], []))
    assert "frames do not explain" in told
