"""parley-bench does what it says: it makes accounts and rosters, plays every scenario, and is not content with less."""

import json
import subprocess

import pytest

from parley_dev import build

BRIEF = ["--warmup", "0.1", "--seconds", "0.4"]


class Load:
    def __init__(self, cluster, directory, users="generated"):
        self.users = users
        self.status = directory / "status.json"
        self.status.write_text(json.dumps(cluster.status()))

    def run(self, scenario, *arguments, code=0):
        return json.loads(self.text(scenario, "--json", *arguments, code=code))

    def text(self, scenario, *arguments, code=0):
        program = build.directory() / "bin" / "parley-bench"
        command = [str(program), scenario, "--cluster", str(self.status), "--users", self.users, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert ran.returncode == code, f"{command}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout


@pytest.fixture(scope="module")
def load(world, tmp_path_factory):
    """With 12 accounts, made in band."""
    found = Load(world.cluster, tmp_path_factory.mktemp("load"))
    assert found.run("register", "-n", "12")["delivered"] == 12
    return found


def test_chat_is_counted_and_charged(load):
    report = load.run("chat", "-n", "12", "--window", "3", *BRIEF)
    assert report["delivered"] > 0 and report["ok"]
    assert report["sent"] >= report["delivered"]
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] <= report["latency_ms"]["max"]
    used = {process["name"]: process["cpu_seconds"] for process in report["processes"]}
    assert {"c2s-1", "c2s-2", "router-1", "router-2", "roster-1", "redis", "postgres"} == set(used)
    assert used["c2s-1"] > 0 and report["cpu_us_per_unit"] > 0 and report["pss_kib"] > 0


def test_an_open_loop_keeps_its_schedule(load):
    report = load.run("chat", "-n", "12", "--rate", "200", "--placement", "same", *BRIEF)
    # 0.5 s of 200 a second; how many fall into the measured part depends on the machine.
    assert report["sent"] >= 80 and report["ok"]


def appends(world):
    """Commands by which the edges put stanzas into queues of stream management so far."""
    line = 'parley_c2s_sm_queue_writes_total{what="append"}'
    shown = [world.cluster.http(name, "/metrics")[1] for name in ("c2s-1", "c2s-2")]
    return sum(float(found.split()[-1]) for text in shown for found in text.splitlines() if found.startswith(line))


@pytest.mark.parametrize("pace", [["--window", "3"], ["--rate", "200"]])
def test_chat_with_stream_management_is_acknowledged(world, load, pace):
    before = appends(world)
    report = load.run("chat", "-n", "12", *pace, "--sm", *BRIEF)
    assert report["delivered"] > 0 and report["ok"] and report["load"]["sm"]
    assert report["errors"]["unacknowledged"] == 0
    assert appends(world) > before


@pytest.mark.parametrize("where", [[], ["--elsewhere"]])
def test_sessions_are_resumed_with_what_they_missed(load, where):
    report = load.run("resume", "-n", "12", "--away", "3", *where)
    assert report["delivered"] == 6 and report["ok"] and report["unit"] == "resumption"
    assert report["sent"] == 18 and report["errors"]["lost"] == report["errors"]["not_resumed"] == 0


def test_several_processes_add_up(load):
    report = load.run("iq", "-n", "12", "--processes", "3", *BRIEF)
    assert report["delivered"] > 0 and report["ok"] and report["unit"] == "ping"


def test_presence_goes_over_rosters_that_it_made(load):
    circle = ["-n", "12", "--contacts", "4", "--group", "6"]
    assert load.run("contacts", *circle)["delivered"] == 24
    report = load.run("presence", *circle, *BRIEF)
    assert report["delivered"] > 0 and report["ok"]


def test_logins_and_idle_sessions(load):
    for mechanism in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
        assert load.run("login", "-n", "12", "--mechanism", mechanism)["delivered"] == 12
    report = load.run("login", "-n", "12", "--tls-resume", "--concurrency", "1")
    assert report["tls_resumed"] > 0
    assert load.run("idle", "-n", "4", "--hold", "0.1")["idle_cpu_percent"] >= 0
    shown = load.text("idle", "-n", "4", "--hold", "0.1")
    assert "% of a core for all connections" in shown and "TLS sessions resumed" in shown


def test_what_fails_is_told(load):
    report = load.run("login", "-n", "3", "--password", "wrong", code=1)
    assert report["errors"]["failed"] == 3 and not report["ok"]
    assert "not-authorized" in report["errors"]["first"]
