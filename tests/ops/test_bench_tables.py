"""What the benchmarks' harness makes of figures, and what it refuses to publish."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from manifests import ROOT

sys.path.insert(0, str(ROOT / "bench"))

from harness import growth, origin, output, parley, table  # noqa: E402
from harness.scenarios import all_scenarios  # noqa: E402

SCENARIOS = {one.key: one for one in all_scenarios(3)}


def report(key, peer, number, cpu, p99=1.0, ok=True):
    latency = {"p50": p99 / 2, "p99": p99}
    return {"scenario": key, "peer": peer, "round": number, "cpu_us_per_unit": cpu, "latency_ms": latency,
            "processes": [{"name": f"{service}-1", "cpu_us_per_unit": cpu / 2} for service in ("c2s", "router", "redis")],
            "per_second": 1000, "load_cpu_us_per_unit": 7, "ok": ok, "problem": "lost"}  # fmt: skip


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
    peers = [SimpleNamespace(column="parley", version=lambda: f"Parley {origin.commit()}")]
    reports = [report(key, "parley", number, cpu, p99=cpu) for number in range(3)
               for key, cpu in {"chat-open": 100 + number, "chat-open-sm": 200 + 2 * number}.items()]  # fmt: skip
    text = table.render([SCENARIOS["chat-open"], SCENARIOS["chat-open-sm"]], peers, reports, "bench/compare", 0.5)
    assert "| 101.0 (100.0-102.0) |" in text
    assert "| 2.00 (2.00-2.00); 2.00 (2.00-2.00); 2.00 (2.00-2.00) |" in text, "what stream management costs"
    assert "| chat, open loop, stream management | 50.50 to 101.00 | 50.50 to 101.00 |" in text, "and which service has it"
    assert "| chat, open loop, 2,000 a second | 7.00 (7.00-7.00) |" in text, "what the generator used"
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert head.stdout.strip() in text.splitlines()[0] and str(origin.date.today()) in text.splitlines()[0]


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


def a_row(count, cpu, frames):
    """With a little noise."""
    figures = [{"round": number, "cpu": cpu + 0.1 * (number - 1), "frames": frames} for number in range(3)]
    return growth.Row("c2s", count, None, figures)


def test_what_growth_costs_is_told_round_by_round():
    rows = [a_row(1, 6, 0.01), a_row(2, 7, 0.02), a_row(4, 9, 0.04)]
    told = "\n".join(growth.grown([("c2s", rows[0], rows[-1])]))
    assert "c2s (1 to 4) 1.50 (1.49-1.51), frames 4.00 (4.00-4.00)" in told


def test_what_is_kept_of_a_command_says_what_was_measured():
    words = ["/x/bench/floor", "--dir", "/y", "--rounds", "3", "--output=/z", "--more", "-n 3000", "--write"]
    assert origin.called(words) == "bench/floor --rounds 3 --more '-n 3000'"


def test_a_table_takes_its_own_place(monkeypatch, tmp_path):
    page = tmp_path / "RESULTS.md"
    page.write_text("# Results\n\n<!-- floor: written by a program -->\nold\n<!-- end of floor -->\n\n* what people wrote\n")
    monkeypatch.setattr(output, "HERE", tmp_path)
    output.show(SimpleNamespace(write=False), "floor", "new")
    assert "old" in page.read_text()
    output.show(SimpleNamespace(write=True), "floor", "new")
    assert page.read_text().endswith("program -->\nnew\n<!-- end of floor -->\n\n* what people wrote\n")


def test_raw_figures_say_what_they_are_of():
    found = json.loads(origin.document("bench/compare", [report("chat-1", "parley", 0, 10)]))
    assert found["commit"] == origin.commit() and found["command"] == "bench/compare" and len(found["figures"]) == 1
