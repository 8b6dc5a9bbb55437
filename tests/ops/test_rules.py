"""The alerts and recording rules parse, are tested and documented, evaluate, and are silent on a healthy cluster."""

import re
from pathlib import Path

import yaml

from prometheus import RULES, promtool

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"


def rules(file):
    return [rule for group in yaml.safe_load((RULES / file).read_text())["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.rules.yml")}
RECORDS = [rule["record"] for rule in rules("recording.rules.yml")]


def test_promtool_accepts_the_rules():
    code, said = promtool("check", "rules", "alerts.rules.yml", "recording.rules.yml")
    assert code == 0, said


def test_each_alert_fires_when_it_should_and_not_otherwise():
    code, said = promtool("test", "rules", "alerts.test.yml")
    assert code == 0, said


def test_each_alert_has_both_cases():
    names = {case["name"] for case in yaml.safe_load((RULES / "alerts.test.yml").read_text())["tests"]}
    assert names >= {f"{alert} {what}" for alert in ALERTS for what in ("fires", "is silent")}


def test_each_alert_has_its_entry_in_the_runbook():
    entries = re.findall(r"^### (Parley\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(entries) == sorted(ALERTS)
    for name, alert in ALERTS.items():
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert alert["labels"]["severity"] in ("warning", "critical")


def test_the_operators_rule_object_is_made_of_these():
    from parley_ops import generate, rules as made

    assert generate.stale(ROOT, made.files(ROOT)) == [], "run ./parley generate"


def test_all_rules_evaluate(prometheus):
    found = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(found) == len(ALERTS) + len(RECORDS)
    assert [(rule["name"], rule["lastError"]) for rule in found if rule["health"] != "ok"] == []


def test_recording_rules_have_data(prometheus):
    assert [name for name in RECORDS if not prometheus.settled(name)] == []


def test_no_alert_fires_on_a_healthy_cluster(prometheus):
    assert prometheus.query('ALERTS{alertstate="firing"}') == []


def test_what_alerts_look_at_exists(prometheus):
    """An alert on a metric or a label that does not exist would be silent for ever."""
    missing = []
    for name, alert in ALERTS.items():
        for metric, matchers in re.findall(r"([a-z][a-z0-9_:]+)\{([^}]*)\}", alert["expr"]):
            labels = re.findall(r"(\w+)\s*[=!]~?", matchers)
            present = "".join(f'{label}!="", ' for label in labels)
            if not prometheus.settled(f"{metric}{{{present}}}"):
                missing.append((name, metric, labels))
    assert missing == []
