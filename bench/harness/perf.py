"""perf, from when it is attached to some processes to when it is told to stop."""

import signal
import subprocess

from parley_dev.processes import wait_until
from parley_dev.steps import Failure


class Perf:
    def __init__(self, command, pids, file):
        self.file = file
        file.unlink(missing_ok=True)
        line = ["perf", *command, "-p", ",".join(map(str, pids)), "-o", str(file)]
        self.child = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)

    def attached(self):
        return self.file.exists()

    def __enter__(self):
        wait_until(lambda: self.attached() or self.child.poll() is not None, 30, "perf")
        return self

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGINT)
        said = self.child.communicate(timeout=120)[1]
        if self.child.returncode not in (0, -signal.SIGINT):
            raise Failure(f"{' '.join(self.child.args[:2])} ended with {self.child.returncode}: {said}")
