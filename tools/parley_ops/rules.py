"""The Prometheus operator's object with the very rules of deploy/prometheus."""

from pathlib import Path

import yaml

HEAD = "# Made by `./parley generate` from alerts.rules.yml and recording.rules.yml.\n"


def files(root):
    directory = Path(root) / "deploy" / "prometheus"
    groups = []
    for name in ("recording.rules.yml", "alerts.rules.yml"):
        groups += yaml.safe_load((directory / name).read_text())["groups"]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "parley"},
        "spec": {"groups": groups},
    }
    return {"deploy/prometheus/prometheus-rule.yaml": HEAD + yaml.safe_dump(rule, sort_keys=False, width=116)}
