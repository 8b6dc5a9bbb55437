"""Sessions that are there and do nothing, while others are measured among them."""

import json
import subprocess
import time

from harness.run import command
from parley_dev.processes import wait_until
from parley_dev.steps import Failure

PER_PROCESS = 15000  # of an edge and of a process of load: 20,000 descriptors are a common hard limit
SLOWEST = 100  # logins a second: fewer count as stuck


class Crowd:
    """`quiet`: for how many seconds others may be measured before its own idling is."""

    def __init__(self, peer, count, quiet, cache):
        self.peer, self.count, self.quiet = peer, count, quiet
        # parley-bench lets half of the time that it holds pass before it measures.
        arguments = ["idle", "-n", str(count), "--first", "1000", "--hold", str(2 * quiet)]
        arguments += ["--processes", str(-(-count // PER_PROCESS)), "--concurrency", "16"]
        self.report = {}
        self.child = subprocess.Popen(command(arguments, peer, cache), stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        alive = lambda: self.child.poll() is None
        try:
            wait_until(lambda: self.bound() >= self.count, 60 + self.count / SLOWEST, f"{self.count} sessions", alive)
        except Failure:
            self.child.kill()
            raise
        self.all_in = time.monotonic()
        return self

    def bound(self):
        return int(self.peer.redis("dbsize").split()[-1])

    def __exit__(self, kind, *_):
        if kind is not None:
            return self.child.kill()
        disturbed = time.monotonic() > self.all_in + self.quiet
        try:
            shown, _ = self.child.communicate(timeout=60 + 4 * self.quiet)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise Failure(f"{self.count} idle sessions: not done in time") from None
        if not shown:
            raise Failure(f"{self.count} idle sessions: parley-bench ended with {self.child.returncode}")
        self.report = json.loads(shown)
        if disturbed:
            self.report["idle_cpu_percent"] = None
