"""What every server under test can do for the harness."""

import base64
import hashlib
import hmac
import os
import subprocess
from pathlib import Path

from parley_dev.processes import Process, free_port
from parley_dev.steps import Failure

DOMAIN = "localhost"
PASSWORD = "bench-password"
PREFIX = "bench"
# One salt for all accounts: the generator computes the salted password once, as clients do once in their lives. What the
# servers compute at login does not depend on the iterations: they keep keys, not passwords.
SALT = b"parley-bench-salt"
ITERATIONS = 4096


def scram_keys(hash_name="sha1"):
    """StoredKey and ServerKey (RFC 5802 section 3)."""
    salted = hashlib.pbkdf2_hmac(hash_name, PASSWORD.encode(), SALT, ITERATIONS)
    client = hmac.digest(salted, b"Client Key", hash_name)
    return hashlib.new(hash_name, client).digest(), hmac.digest(salted, b"Server Key", hash_name)


def encoded(raw):
    return base64.b64encode(raw).decode()


class Peer:
    """A server that runs privately below `directory`. `packages` are installed from Debian when missing."""

    name = ""
    packages = ()
    column = ""  # of the tables; "": its name
    stays = True  # up during the whole comparison; else only while it is measured

    def __init__(self, directory):
        self.column = self.column or self.name
        self.directory = Path(directory) / self.name
        self.directory.mkdir(parents=True, exist_ok=True)

    def start(self, accounts):
        """Up and ready, with accounts PREFIX0 to PREFIX<accounts - 1>."""
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def load_arguments(self):
        """For parley-bench: where to connect, and which processes to charge."""
        raise NotImplementedError

    def port_for(self, purpose):
        """A free port, the same the next time: the server may still run."""
        remembered = self.directory / f"port-{purpose}"
        if not remembered.exists():
            remembered.write_text(str(free_port()))
        return int(remembered.read_text())

    def version(self):
        """What the results say was measured."""
        return ""


def finished(command, seconds, what, **options):
    """The process, which had `seconds` to end."""
    try:
        return subprocess.run(command, text=True, check=False, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        raise Failure(f"{what}: not done after {seconds} s") from None


def install(packages):
    have = subprocess.run(
        ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *packages], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    missing = [name for name in packages if f"{name} installed" not in have]
    if not missing:
        return
    print(f"installing from Debian: {' '.join(missing)}", flush=True)
    sudo = [] if os.getuid() == 0 else ["sudo"]
    # RUNLEVEL=1: nothing is started as a system service.
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    finished([*sudo, "apt-get", "update", "-qq"], 300, "apt-get update", stdout=subprocess.DEVNULL)
    ran = finished(
        [*sudo, *environment, "apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        + ["-o", "DPkg::Lock::Timeout=300", *missing],
        900, "apt-get install", capture_output=True,
    )
    if ran.returncode != 0:
        raise Failure(f"apt-get could not install {' '.join(missing)}:\n{ran.stderr[-2000:]}")


def package_version(package):
    shown = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def answers(port):
    import socket

    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


__all__ = ["Peer", "Process", "install", "package_version", "scram_keys", "encoded", "answers", "finished"]
