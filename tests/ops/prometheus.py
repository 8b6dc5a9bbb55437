"""Debian's Prometheus on a free port, with the rules of deploy/prometheus."""

import json
import math
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from parley_dev.processes import Process, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus"


class Prometheus:
    def __init__(self, cluster, directory):
        self.directory = directory
        self.port = free_port()
        self.config = directory / "prometheus.yml"
        self.config.write_text(yaml.safe_dump(self._configuration(cluster)))
        self.process = Process(directory, "prometheus")

    @staticmethod
    def _configuration(cluster):
        targets = [
            {"targets": [cluster.addresses(name)["metrics"]], "labels": {"instance": name, "service": row["service"]}}
            for name, row in cluster.instances().items()
        ]
        return {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES / "recording.rules.yml"), str(RULES / "alerts.rules.yml")],
            "scrape_configs": [{"job_name": "parley", "static_configs": targets}],
        }

    def __enter__(self):
        command = ["prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={self.directory / 'data'}"]
        self.process.start(command + [f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"])
        # Rates need several scrapes of everything.
        wait_until(self._scraped, 60, "Prometheus' scrapes", self.process.pid)
        return self

    def __exit__(self, *_):
        self.process.stop(10)

    def _scraped(self):
        try:
            return not self.query('count_over_time(up{job="parley"}[1m]) < 4') and self.query("up == 1")
        except (OSError, ValueError, AssertionError):  # it starts: not there, or not ready to answer in JSON
            return False

    def get(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {json.load(error)['error']}") from None

    def query(self, expression):
        """Values that are numbers, with their labels."""
        result = self.get("query", query=expression)
        rows = [result["result"]] if result["resultType"] == "scalar" else result["result"]
        values = [(row.get("metric", {}), float(row["value"][1])) for row in rows]
        return [(labels, value) for labels, value in values if not math.isnan(value)]

    def settled(self, expression, seconds=40):
        """The query's values, once it has any; empty if it never has."""
        deadline = time.monotonic() + seconds
        while not (values := self.query(expression)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return values


def promtool(*arguments):
    ran = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, cwd=RULES)
    return ran.returncode, ran.stdout + ran.stderr
