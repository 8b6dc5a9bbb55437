"""What the services count: the names are a promise to those who made dashboards and alerts of their own."""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SERVICES = ["c2s", "router", "roster"]
# No family may grow with users, rooms or time.
MOST_SERIES = 400


def families(text):
    """type and label names by name, and the series of each family."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    labels = {name: set() for name in kinds}
    series = {name: 0 for name in kinds}
    for name, given in re.findall(r"^([a-z]\w*)(?:\{(.*)\})? ", text, re.MULTILINE):
        family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
        labels[family] |= set(re.findall(r'(\w+)="', given)) - {"le"}
        series[family] += 1
    return kinds, labels, series


def described(cluster, service):
    lines = set()
    for name in cluster.instances(service):
        kinds, labels, _ = families(cluster.http(name, "/metrics")[1])
        lines |= {f"{family} {kinds[family]} {','.join(sorted(labels[family]))}".rstrip() for family in kinds}
    return sorted(lines)


@pytest.mark.parametrize("service", SERVICES)
def test_names_and_labels_are_the_known_ones(loaded, service):
    """After a change on purpose: PARLEY_WRITE_GOLDEN=1 ./parley test ops -k known_ones"""
    file = GOLDEN / f"metrics-{service}.txt"
    now = described(loaded, service)
    if os.environ.get("PARLEY_WRITE_GOLDEN"):
        file.write_text("\n".join(now) + "\n")
    assert now == file.read_text().splitlines()


@pytest.mark.parametrize("service", SERVICES)
def test_names_are_by_the_conventions(loaded, service):
    for line in described(loaded, service):
        name, kind, *_ = line.split()
        assert name.startswith(("parley_", "process_")), name
        assert name.endswith("_total") == (kind == "counter"), line
        if kind == "histogram":
            assert name.endswith(("_seconds", "_envelopes", "_batch")), name


@pytest.mark.parametrize("service", SERVICES)
def test_labels_are_bounded_and_name_nobody(loaded, service):
    for name in loaded.instances(service):
        text = loaded.http(name, "/metrics")[1]
        assert "@" not in text.replace("user{", ""), "an address in the metrics"
        _, _, series = families(text)
        assert {family: count for family, count in series.items() if count > MOST_SERIES} == {}


def test_dashboards_and_rules_use_known_names_only():
    known = set()
    for service in SERVICES:
        for line in (GOLDEN / f"metrics-{service}.txt").read_text().splitlines():
            name, kind, *_ = line.split()
            known |= {name} if kind != "histogram" else {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    boards = [json.loads(file.read_text()) for file in (ROOT / "deploy" / "grafana").glob("*.json")]
    texts = [json.dumps(board["panels"]) for board in boards]
    texts += [file.read_text() for file in (ROOT / "deploy" / "prometheus").glob("*.rules.yml")]
    used = {name for text in texts for name in re.findall(r"\b((?:parley|process)_[a-z0-9_]+)(?=\{|\[|\)| *\()", text)}
    assert used - known == set()
