"""What stands around parley-bench: the relay that is its floor, classes of a profile's samples, two variants side by side,
system calls, what a lone message asks of the stores, what a heap holds."""

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from parley_dev import build
from parley_dev.steps import Failure

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


# Of an edge that serves pings; the first events of each interval (perf stat -x ";" -I 200).
COUNTED = """\
# started on Sat Nov 28 09:44:40 2026

     0.200320172;38;;raw_syscalls:sys_enter;599109;100.00;;
     0.200320172;2;;syscalls:sys_enter_sendto;599109;100.00;;
     0.400902574;13036;;raw_syscalls:sys_enter;957344;100.00;;
     0.400902574;4000;;syscalls:sys_enter_sendto;957344;100.00;;
     0.400902574;0;;syscalls:sys_enter_writev;957344;100.00;;
     0.400902574;<not counted>;;syscalls:sys_enter_futex;0;0.00;;
     0.601457318;13036;;raw_syscalls:sys_enter;957344;100.00;;
     0.601457318;3990;;syscalls:sys_enter_sendto;957344;100.00;;
     0.601457318;10;;syscalls:sys_enter_writev;957344;100.00;;
     0.601457318;2;;syscalls:sys_enter_fdatasync;957344;100.00;;
     0.802011442;13036;;raw_syscalls:sys_enter;957344;100.00;;
"""


@pytest.fixture
def perf(tmp_path, monkeypatch):
    """Makes a `perf` that does these commands with the file as its last argument."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def make(commands):
        file = tmp_path / "perf"
        file.write_text(f'#!/bin/sh\nfor file; do :; done\n{commands}\n')
        file.chmod(0o755)

    return make


COUNTS = f"cat > $file <<END\n{COUNTED}END\nexec sleep 60"


def test_system_calls_are_those_of_the_time_that_was_measured(harness, perf, tmp_path):
    from harness.calls import Counting

    perf(COUNTS)
    with Counting([1], tmp_path / "calls") as counting:
        pass
    # Intervals that end 0.4 and 0.6 s after it began lie within: that of 0.2 is too early, and that of 0.8 too late.
    found = counting.rates(counting.began - 0.1, counting.began + 0.9)
    assert found["send"] == pytest.approx((4000 + 4000) / 0.4) and found["all"] == pytest.approx(2 * 13036 / 0.4)
    assert found["disk (fsync)"] == pytest.approx(2 / 0.4) and found["lock (futex)"] == 0
    with pytest.raises(Failure, match="too short"):
        counting.rates(counting.began, counting.began + 0.5)


def test_perf_that_fails_is_told_with_what_it_said(harness, perf, tmp_path):
    from harness.perf import Perf

    perf("echo no permission >&2; exit 255")
    with pytest.raises(Failure, match="perf stat ended with 255: no permission"), Perf(["stat"], [1], tmp_path / "calls"):
        pass


def test_only_services_that_have_to_do_with_a_message_have_a_row_of_calls(harness):
    from harness import calls

    rates = {"c2s": Counter({"send": 1000, "all": 3000}), "postgres": Counter({"all": 9})}
    lines = [*calls.header(), *calls.render(SimpleNamespace(title="chat"), {"per_second": 1000}, rates)]
    assert lines[2:] == ["| chat | c2s | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 3 |"]
    assert len({line.count("|") for line in lines}) == 1, "a table"


class Redis:
    """That has carried out so many commands, each time that it is asked."""

    def __init__(self, *commands):
        self.commands = list(commands)

    def redis_work(self):
        return {"redis": self.commands.pop(0)}


def test_what_clients_left_behind_is_waited_for(harness):
    from harness import idle

    busy = Redis(1000, 3000, 3010, 3300, 3300, 3300 + idle.COMMANDS)
    idle.settle(busy, sleep=lambda _: None)
    assert not busy.commands
    with pytest.raises(Failure, match="not idle .* 500 commands a second"):
        idle.settle(Redis(*range(0, 1000 * idle.SECONDS, 500)), sleep=lambda _: None)


def test_no_figure_where_nothing_was_dearer_than_the_load(harness):
    alone = program("alone")
    nothing, load = dict.fromkeys(alone.COLUMNS, 1000), dict.fromkeys(alone.COLUMNS, 1300)
    found = alone.each({**load, "redis": 100, "log": 990}, nothing, 100)
    assert found["redis"] is None and found["append"] == 3 and found["log"] == pytest.approx(-0.1)
    told = alone.render([["a message", *map(alone.cell, found.values())]], ["600 without"])
    assert "| a message | 3.00 | 3.00 | 3.00 | ? | 3.00 | -0.10 |" in told and "take it again" in told
    assert "take it again" not in alone.render([["a message", "3.00"]], [])


# Of an edge, with fewer frames (heaptrack_print --flamegraph-cost-type leaked -F).
STACKS = """\
main (main.cc);parley::Loop::Run() (loop.cc);parley::net::TlsSession::TlsSession(parley::net::Socket&) (tls_session.cc);SSL_new;CRYPTO_zalloc; 1049904
main (main.cc);parley::Loop::Run() (loop.cc);parley::net::TlsSession::TlsSession(parley::net::Socket&) (tls_session.cc);SSL_new;0x7f9a5d66d5a1; 96
main (main.cc);parley::Loop::Run() (loop.cc);operator() (connection_state.cc);complete<> (handler_work.hpp);allocate<> (handler_alloc_helpers.hpp); 62608
main (main.cc);operator() (connection_state.cc);parley::Loop::After(std::chrono::duration<>) (loop.cc);std::make_unique<>() (unique_ptr.h); 400
main (main.cc);operator() (connection_state.cc);parley::Loop::After(std::chrono::duration<>) (loop.cc);std::make_unique<>() (unique_ptr.h); 0
_dl_init (dl-init.c);call_init (dl-init.c);0x7f9a5cca57b9; 72704
"""


def test_memory_belongs_to_who_asked_for_it(harness):
    from harness import heap

    held = heap.by_holder(STACKS.splitlines(), heap.sources("c2s"))
    assert held == {"OpenSSL": 1050000, "libs/net/connection_state.cc": 63008, "other": 72704}


def test_memory_of_a_session_is_what_more_sessions_have_more(harness):
    memory = program("memory")
    found = memory.each(Counter({"a/b.cc": 2000, "OpenSSL": 9500, "other": 900}), Counter({"a/b.cc": 500, "other": 897}), 3)
    assert list(memory.rows(found)) == [["OpenSSL", "3,167"], ["`a/b.cc`", "500"], ["others", "1"], ["**all**", "3,668"]]
