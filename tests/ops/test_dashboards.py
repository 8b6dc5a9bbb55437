"""Every panel of every dashboard shows something when there is traffic."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))


def panels():
    for file in BOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield pytest.param(target["expr"], id=f"{file.stem}: {panel['title']} ({target['refId']})")


@pytest.mark.parametrize("expression", panels())
def test_panel_has_data(prometheus, expression):
    asked = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
    assert prometheus.settled(asked), f"no data: {asked}"


def test_dashboards_are_as_their_source_makes_them():
    from parley_ops import dashboards, generate

    assert generate.stale(ROOT, dashboards.files()) == [], "run ./parley generate"


def test_there_are_the_dashboards_that_operators_are_told_of():
    assert [file.stem for file in BOARDS] == ["c2s", "overview", "roster", "router", "stores", "users"]
