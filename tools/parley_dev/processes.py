"""Background processes that are found again by a later command: a pid file with the process's start time."""

import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

from parley_dev.steps import Failure


def start_time(pid):
    """Clock ticks since boot when the process began: with the pid it names one process for ever."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    return None if fields[0] == "Z" else int(fields[19])


# Below the ports that systems give to outgoing connections: one of those would take a port before its user listens.
QUIET_PORTS = range(10000, 32000)


def free_port(preferred=None, host="127.0.0.1"):
    """`preferred` if nobody has it, else any. No other caller on this machine gets it while this process lives; a
    stranger may take it before its user listens: the user then fails clearly."""
    for port in ([preferred] if preferred else []) + random.sample(QUIET_PORTS, 1000):
        if _is_free(port, host) and _reserve(port):
            return port
    raise Failure(f"no free TCP port on {host}")


def _is_free(port, host):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return True
        except OSError:
            return False


def _reserve(port):
    """By a name that only one process can hold, and that goes with it."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0parley-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


_reserved = []


def wait_until(condition, seconds, what, alive=None):
    """Waits for a true value and returns it; `alive()` false ends the wait early."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while True:
        value = condition()
        if value:
            return value
        if alive is not None and not alive():
            raise Failure(f"{what}: the process ended")
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


class Process:
    """One named background process of a cluster directory."""

    def __init__(self, directory, name):
        self.name = name
        self.pid_file = Path(directory) / "run" / f"{name}.json"
        self.log_file = Path(directory) / "log" / f"{name}.log"

    def pid(self):
        try:
            known = json.loads(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return known["pid"] if start_time(known["pid"]) == known["started"] else None

    def start(self, command, env=None, cwd=None):
        if self.pid():
            return
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_file, "ab") as log:
            before = log.tell()
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=cwd, start_new_session=True
            )
        self.pid_file.write_text(json.dumps({"pid": child.pid, "started": start_time(child.pid), "log": before}))
        # Reaped by init when this command ends; a long-lived caller (tests) reaps here.
        _children.append(child)

    def signal(self, number):
        pid = self.pid()
        if pid:
            os.kill(pid, number)
        return pid is not None

    def stop(self, seconds=30):
        """SIGTERM, then SIGKILL after `seconds`. True if it ended by itself."""
        return not self.signal(signal.SIGTERM) or self.wait_gone(seconds)

    def wait_gone(self, seconds):
        """For one that is stopping; SIGKILL after `seconds`. True if it ended by itself."""
        try:
            wait_until(self._gone, seconds, f"stopping {self.name}")
            return True
        except Failure:
            self.kill()
            return False

    def kill(self):
        if self.signal(signal.SIGKILL):
            wait_until(self._gone, 10, f"killing {self.name}")

    def _gone(self):
        reap()
        return self.pid() is None

    def wait_until(self, condition, seconds, what, unready=lambda: "nothing"):
        """As the function; a failure has what `unready()` says of a process that lives, and the log since its start."""
        try:
            return wait_until(condition, seconds, what, self.pid)
        except Failure as failure:
            says = unready() if self.pid() else "stopped"
            raise Failure(
                f"{failure}; it says:\n{says}\nits log ({self.log_file}) ends:\n{self.log_tail()}"
            ) from None

    def _log_begin(self):
        try:
            return json.loads(self.pid_file.read_text()).get("log", 0)
        except (OSError, ValueError):
            return 0

    def log_tail(self, lines=15):
        """Of what was logged since the last start."""
        try:
            text = self.log_file.read_bytes()[self._log_begin() :].decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


_children = []


def reap():
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)
