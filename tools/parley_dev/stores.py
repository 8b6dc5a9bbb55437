"""A private Redis and a private PostgreSQL, in the cluster's own directory; the system's services are not touched."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from parley_dev.processes import Process, wait_until
from parley_dev.steps import Failure

PG_BIN = Path("/usr/lib/postgresql/15/bin")


class Redis:
    def __init__(self, directory, port):
        self.directory = Path(directory) / "redis"
        self.port = port
        self.process = Process(directory, "redis")

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process.start(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
            + ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no"]
            + ["--auto-aof-rewrite-min-size", "256mb", "--list-max-listpack-size", "-1"],  # docs/operate.md, Redis
        )
        self.process.wait_until(self.answers, 30, "Redis")

    def answers(self):
        ping = subprocess.run(
            ["redis-cli", "-p", str(self.port), "ping"], capture_output=True, text=True, check=False
        )
        return ping.stdout.strip() == "PONG"

    def stop(self):
        self.process.stop(10)


class Postgres:
    """PostgreSQL refuses to run as root: then it runs as Debian's user postgres."""

    def __init__(self, directory, port):
        self.directory = Path(directory) / "postgres"
        self.port = port
        self.process = Process(directory, "postgres")

    def start(self):
        if not (self.directory / "PG_VERSION").exists():
            self._create()
        self.process.start(
            self._as_owner([str(PG_BIN / "postgres"), "-D", str(self.directory), "-p", str(self.port)]),
            cwd="/",
        )
        self.process.wait_until(self.answers, 60, "PostgreSQL")

    def answers(self):
        ready = subprocess.run(
            [str(PG_BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return ready.returncode == 0

    def stop(self):
        # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for clients.
        import signal

        if self.process.signal(signal.SIGINT):
            wait_until(lambda: self.process.pid() is None, 30, "stopping PostgreSQL")

    def _create(self):
        self._make_directory()
        made = subprocess.run(
            self._as_owner(
                [str(PG_BIN / "initdb"), "-D", str(self.directory), "-U", "parley", "-A", "trust", "-E", "UTF8"]
                + ["--locale=C.UTF-8", "--no-sync"]
            ),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if made.returncode != 0:
            raise Failure(f"initdb failed:\n{made.stdout}{made.stderr}")
        with open(self.directory / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(
                "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "max_connections = 200\nshared_buffers = 64MB\n"
            )

    def _make_directory(self):
        if not PG_BIN.exists():
            raise Failure(f"{PG_BIN} is missing: install postgresql-15")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.directory.chmod(0o700)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)

    def _as_owner(self, command):
        if os.getuid() != 0:
            return command
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if not self._reachable():
            # A checkout below /root: the user postgres may not even pass through. Lend it that right alone.
            become += ["--inh-caps=+dac_override,+dac_read_search", "--ambient-caps=+dac_override,+dac_read_search"]
        return become + command

    def _reachable(self):
        probe = subprocess.run(
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "test", "-x", str(self.directory)],
            check=False,
        )
        return probe.returncode == 0
