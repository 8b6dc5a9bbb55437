"""What stands around parley-bench: the relay that is its floor, classes of a profile's samples, two variants side by side."""

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from parley_dev import build

BENCH = build.ROOT / "bench"
BRIEF = ["--warmup", "0.1", "--seconds", "0.4"]


@pytest.fixture(scope="module")
def harness():
    """bench/ on the path, as its programs have it."""
    sys.path.insert(0, str(BENCH))
    yield
    sys.path.remove(str(BENCH))


def program(name):
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", str(BENCH / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module  # dataclasses look there
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("chain", [False, True])
def test_all_that_goes_through_the_relay_arrives(harness, tmp_path, chain):
    from harness.relay import Relay

    relay = Relay(tmp_path, chain)
    relay.start(0)
    try:
        command = [str(build.directory() / "bin" / "parley-bench"), "chat", "-n", "8", "--window", "3", "--json"]
        ran = subprocess.run(
            [*command, *relay.load_arguments(), *BRIEF], capture_output=True, text=True, check=False, timeout=60
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    finally:
        relay.stop()
    report = json.loads(ran.stdout)
    assert report["delivered"] > 0
    names = {process["name"] for process in report["processes"]}
    assert names == ({"hub", "edge-1", "edge-2"} if chain else {"relay"})


SAMPLES = [
    ("c2s", [("tcp_sendmsg", "[kernel.kallsyms]"), ("__sys_sendto", "[kernel.kallsyms]")], "kernel: TCP, sockets"),
    ("c2s", [("_raw_spin_unlock_irqrestore", "[kernel.kallsyms]"), ("try_to_wake_up", "[kernel.kallsyms]"),
             ("tcp_rcv_established", "[kernel.kallsyms]"), ("__sys_sendto", "[kernel.kallsyms]")],
     "kernel: wake-ups, scheduling"),
    ("c2s", [("ep_send_events", "[kernel.kallsyms]"), ("tcp_looks_like", "/usr/lib/libc.so.6")], "kernel: epoll"),
    ("c2s", [("clear_page", "[kernel.kallsyms]"), ("exc_page_fault", "[kernel.kallsyms]")],
     "kernel: other calls, page faults"),
    ("c2s", [("[unknown]", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3")], "OpenSSL"),
    ("c2s", [("[unknown]", "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")], "allocator"),
    ("c2s", [("operator new", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6")], "allocator"),
    ("c2s", [("parley::xml::Tokenizer::Content", "/x/bin/parley-c2s")], "XML"),
    ("router", [("std::_Hashtable<int, parley::router::Account*>::find", "/x/bin/parley-router")], "Parley: router"),
    ("router", [("parley::Result<parley::storage::Reply>::~Result", "/x/bin/parley-router")], "Parley: storage"),
    ("router", [("parley::StableHash", "/x/bin/parley-router")], "Parley: base"),
    ("router", [("parley::link::v1::Envelope::ByteSizeLong", "/x/bin/parley-router")], "protobuf"),
    ("redis", [("[unknown]", "/usr/bin/redis-check-rdb")], "Redis"),
    ("postgres", [("memcpy", "/usr/lib/x86_64-linux-gnu/libc.so.6")], "PostgreSQL"),
    ("roster", [("memcpy", "/usr/lib/x86_64-linux-gnu/libc.so.6")], "libc, libstdc++, other libraries"),
]  # fmt: skip


@pytest.mark.parametrize("service, frames, expected", SAMPLES)
def test_the_class_of_a_sample(harness, service, frames, expected):
    from harness import classes

    assert classes.of(service, frames) == expected


def test_options_of_a_scenario_are_replaced(harness):
    from harness.run import changed

    arguments = ["chat", "--sm", "-n", "400", "--rate", "2000"]
    assert changed(arguments, ["--rate", "500"]) == ["chat", "--sm", "-n", "400", "--rate", "500"]
    assert changed(arguments, ["-n", "8", "--sm"]) == ["chat", "--rate", "2000", "-n", "8", "--sm"]
    assert changed(arguments, []) == arguments


def report(cpu, edges):
    processes = [{"name": "c2s-1", "cpu_us_per_unit": edges}, {"name": "c2s-2", "cpu_us_per_unit": edges}]
    return {"cpu_us_per_unit": cpu, "latency_ms": {"p50": 1.0, "p99": 2.0}, "processes": processes}


def test_two_variants_are_compared_round_by_round(harness):
    from harness.scenarios import all_scenarios

    chat = next(one for one in all_scenarios(1) if one.key == "chat-10")
    rounds = [(report(10, 4), report(9, 3)), (report(20, 4), report(22, 3)), (report(8, 4), report(6, 3))]
    cells = program("ab").row(chat, rounds)
    assert cells[2:6] == ["10.00 (8.00)", "9.00 (6.00)", "0.90", "2 of 3"]
    assert cells[-1] == "c2s 8.00 to 6.00"


def test_a_profile_divides_what_a_service_used(harness):
    from harness.scenarios import all_scenarios

    chat = next(one for one in all_scenarios(1) if one.key == "chat-10")
    used = {**report(10, 5), "unit": "message", "per_second": 1000, "delivered": 50}
    counts = {"c2s": {("XML", "a"): 1, ("XML", "b"): 1, ("OpenSSL", "c"): 2}}
    lines = list(program("profile").render(chat, used, counts, {"c2s": 100}, 1))
    assert "| XML | 5.000 | 5.000 | 50 |" in lines and "| **all** | 10.000 | 10.000 | 100 |" in lines
    assert "| switches of threads | 2 | 2 | |" in lines
    assert "| `c` | OpenSSL | 5.000 |" in lines


def test_servers_take_turns_at_being_first(harness):
    turned = program("compare").turned
    assert [turned("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert sorted(turned("abc", 2)) == ["a", "b", "c"] and turned([], 1) == []


def test_sizes_that_carry_a_rate_and_stream_management(harness):
    scale = program("scale")
    sizes = scale.AXES["each-sm"](SimpleNamespace(nodes=[1, 4]))
    assert sizes[4].timed == ["--rate", "4000", "--sm"] and sizes[4].clients == 4 * sizes[1].clients
    assert scale.idling(sizes[1], SimpleNamespace(seconds=3))[-1] == "--sm"
    assert scale.AXES["sm"](SimpleNamespace(nodes=[2]))[2].timed == ["--window", "10", "--sm"]
