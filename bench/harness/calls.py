"""System calls of the cluster's processes while a scenario runs, counted by perf: whether anything that is done for each
message waits for a lock (futex) or a disk."""

import subprocess
import time
from collections import Counter
from pathlib import Path

from harness.perf import Perf
from parley_dev.steps import Failure

TRACEFS = Path("/sys/kernel/tracing")
ALL = "raw_syscalls:sys_enter"
KINDS = {
    "send": ["sendto", "sendmsg", "write", "writev"],
    "receive": ["recvfrom", "recvmsg", "read", "readv"],
    "epoll_wait": ["epoll_wait", "epoll_pwait"],
    "epoll_ctl": ["epoll_ctl"],
    "timer": ["timerfd_settime"],
    "lock (futex)": ["futex"],
    "disk (fsync)": ["fsync", "fdatasync"],
    "sleep, poll": ["clock_nanosleep", "nanosleep", "poll", "ppoll", "select", "pselect6"],
}
INTERVAL = 0.2  # seconds
LEAST = 0.01  # calls of a message: services with fewer have nothing to do with it


def mount():
    """perf finds the names of system calls there (root)."""
    if not (TRACEFS / "events").exists():
        subprocess.run(["mount", "-t", "tracefs", "nodev", str(TRACEFS)], check=True)


class Counting(Perf):
    """Counts, by intervals. Times are those of parley-bench's report (CLOCK_MONOTONIC)."""

    def __init__(self, pids, file):
        events = ",".join([ALL, *(f"syscalls:sys_enter_{name}" for names in KINDS.values() for name in names)])
        super().__init__(["stat", "-x", ";", "-I", str(int(INTERVAL * 1000)), "-e", events], pids, file)

    def attached(self):
        return bool(self._intervals())

    def __enter__(self):
        super().__enter__()
        self.began = time.monotonic() - max(self._intervals(), default=0)
        return self

    def _lines(self):
        text = self.file.read_text() if self.file.exists() else ""
        return [line.split(";") for line in text.splitlines() if line.count(";") > 3]

    def _intervals(self):
        return {float(line[0]) for line in self._lines()}

    def rates(self, begin, end):
        """{kind: calls a second} of the intervals that lie within that time."""
        within = {at for at in self._intervals() if begin + 2 * INTERVAL < self.began + at < end - INTERVAL}
        if not within:
            raise Failure("too short a time to count system calls: give --seconds 3 or more")
        kind_of = {f"syscalls:sys_enter_{name}": kind for kind, names in KINDS.items() for name in names}
        found = Counter()
        for at, count, _, event, *_ in self._lines():
            if float(at) in within and count.isdigit():
                found[kind_of.get(event, "all")] += int(count) / (len(within) * INTERVAL)
        return found


def render(scenario, report, rates):
    """Rows of a table: calls of each unit, by service."""
    for service, found in rates.items():
        if found["all"] < LEAST * report["per_second"]:
            continue
        cells = [f"{found[kind] / report['per_second']:.2g}" for kind in [*KINDS, "all"]]
        yield f"| {scenario.title} | {service} | " + " | ".join(cells) + " |"


def header():
    yield f"| calls a message (presence, request, login) | service | {' | '.join(KINDS)} | all |"
    yield "|---|---|" + "---|" * (len(KINDS) + 1)
