"""One development cluster in one directory: its plan (cluster.json), its processes, its state."""

import copy
import fcntl
import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.request
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import yaml

from parley_dev import build, certificates
from parley_dev.processes import Process, free_port
from parley_dev.steps import Failure, Steps
from parley_dev.stores import Postgres, Redis

# The addresses of each service, and the port that its first instance would like.
PORTS = {
    "c2s": {"xmpp": 5222, "xmpps": 5223, "metrics": 9101},
    "router": {"grpc": 7401, "metrics": 9201},
    "roster": {"grpc": 7501, "metrics": 9301},
}
DEMO_USERS = {"romeo": "juliet-forever", "juliet": "romeo-forever"}
READY_SECONDS = 60
STOP_SECONDS = 30


@cache
def _known_keys(binary):
    """A release before this one has fewer. Those of hosts are there without `hosts` and a domain."""
    reference = subprocess.run([binary, "--print-config-reference"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\| `([^`]+)` \|", reference, re.MULTILINE))


def _knows(binary, setting):
    """Whether this program takes it: `key=value`, as for `--set`."""
    key = setting.partition("=")[0]
    return (key.rpartition(".")[2] if key.startswith("hosts.") else key) in _known_keys(binary)


class Cluster:
    """Built from its directory; `plan` is what was asked for, and is kept between commands."""

    def __init__(self, directory):
        self.directory = Path(directory).absolute()
        self.plan_file = self.directory / "cluster.json"
        self.plan = json.loads(self.plan_file.read_text()) if self.plan_file.exists() else None
        self.programs = {}  # by instance: the directory of its program, if it is not of this build

    # -- planning ---------------------------------------------------------------------------------------------------

    def size(self, counts, domains, settings, fixed_ports=True, mtls=False):
        """Decides instances, ports and settings, and keeps them."""
        self._adopt(self._planned(counts, domains, settings, fixed_ports, mtls))

    def _planned(self, counts, domains, settings, fixed_ports, mtls):
        """What exists keeps its ports."""
        plan = copy.deepcopy(self.plan) or {"instances": {}, "stores": {}}
        for store in ("redis", "postgres"):
            plan["stores"].setdefault(store, free_port())
        old = plan["instances"]
        plan["instances"] = {
            f"{service}-{n}": old.get(f"{service}-{n}") or self._new_instance(service, n, fixed_ports)
            for service, count in counts.items()
            for n in range(1, count + 1)
        }
        plan["domains"] = domains
        plan["settings"] = settings
        plan["mtls"] = mtls
        return plan

    def _check(self, plan):
        """By the programs themselves, in a directory of its own: nothing is stopped or kept for a mistake."""
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="proposed-") as proposed:
            trial = Cluster(proposed)
            trial.plan, trial.programs = plan, self.programs
            trial.write_config()
            for name in {instance["service"]: name for name, instance in plan["instances"].items()}.values():
                checked = subprocess.run(
                    [*trial.command(name), "--check-config"], capture_output=True, text=True, check=False
                )
                if checked.returncode != 0:
                    raise Failure(
                        checked.stderr.strip().replace(proposed, str(self.directory)) + "\nnothing was stopped or changed"
                    )

    def _adopt(self, plan):
        for gone in set(self.plan["instances"] if self.plan else ()) - set(plan["instances"]):
            Process(self.directory, gone).stop()
        self.plan = plan
        self.directory.mkdir(parents=True, exist_ok=True)
        self.plan_file.write_text(json.dumps(plan, indent=2))

    @staticmethod
    def _new_instance(service, number, fixed_ports):
        step = 10 if service == "c2s" else 1
        ports = {
            name: free_port(base + (number - 1) * (step if name != "metrics" else 1) if fixed_ports else None)
            for name, base in PORTS[service].items()
        }
        return {"service": service, "ports": ports}

    def instances(self, service=None):
        return {
            name: instance
            for name, instance in self._need_plan()["instances"].items()
            if service in (None, instance["service"])
        }

    def _need_plan(self):
        if self.plan is None:
            raise Failure(f"there is no cluster in {self.directory}: run `./parley up`")
        return self.plan

    # -- files ------------------------------------------------------------------------------------------------------

    @property
    def config_file(self):
        return self.directory / "parley.yaml"

    @property
    def ca_file(self):
        return self.directory / "tls" / "ca.pem"

    def write_config(self):
        """Returns whether it changed."""
        plan = self._need_plan()
        files = certificates.ensure(self.directory / "tls", plan["domains"])
        if plan["mtls"]:
            certificates.ensure_roles(self.directory / "tls")
        address = lambda service: [f"127.0.0.1:{i['ports']['grpc']}" for i in self.instances(service).values()]
        text = yaml.safe_dump(
            {
                "log": {"level": "info"},
                "cluster": {"routers": address("router"), "rosters": address("roster")},
                "hosts": [
                    {
                        "domain": domain,
                        "certificate_file": str(files["certificate"]),
                        "key_file": str(files["key"]),
                        "registration": True,
                        "admins": [f"admin@{domain}"],
                    }
                    for domain in plan["domains"]
                ],
                "c2s": {"tls_ticket_key_file": str(files["ticket_keys"])},
                "redis": {"host": "127.0.0.1", "port": plan["stores"]["redis"]},
                "postgres": {"host": "127.0.0.1", "port": plan["stores"]["postgres"]}
                | {"database": "parley", "user": "parley", "tls": "disable"},
            },
            sort_keys=False,
        )
        text = "# Made by ./parley up; changes are overwritten.\n" + text
        settings = json.dumps([plan["settings"], plan["mtls"]])
        stamp = self.directory / "settings.applied"
        changed = (
            not self.config_file.exists()
            or self.config_file.read_text() != text
            or not stamp.exists()
            or stamp.read_text() != settings
        )
        self.config_file.write_text(text)
        stamp.write_text(settings)
        return changed

    def command(self, name):
        instance = self.instances()[name]
        ports, service = instance["ports"], instance["service"]
        own = [f"{service}.admin=127.0.0.1:{ports['metrics']}"]
        if service == "c2s":
            own += [f"c2s.listen=127.0.0.1:{ports['xmpp']}", f"c2s.listen_tls=127.0.0.1:{ports['xmpps']}"]
        else:
            own += [f"{service}.listen=127.0.0.1:{ports['grpc']}"]
        if self.plan.get("mtls"):
            own += [f"mtls.directory={self.identity(service)}"]
        binary = self.programs.get(name, build.directory() / "bin") / f"parley-{service}"
        command = [str(binary), "--config", str(self.config_file), "--instance", name]
        settings = own + self.plan["settings"]
        if name in self.programs:
            settings = [setting for setting in settings if _knows(binary, setting)]
        for setting in settings:
            command += ["--set", setting]
        return command

    def identity(self, role):
        """The folder with the certificate of a service's or an operator's role, for mutual TLS."""
        return self.directory / "tls" / "roles" / role

    # -- life -------------------------------------------------------------------------------------------------------

    def up(
        self, counts, domains, settings, *, quiet=False, fixed_ports=True, built=False, demo_users=True, mtls=False
    ):
        steps = Steps(6 if not built else 5, quiet)
        with self._locked():
            if not built:
                steps.begin("Building")
                build.build(build.SERVICES, progress=steps.progress)
                steps.done()
            steps.begin("Configuration and development TLS certificate")
            plan = self._planned(counts, domains, settings, fixed_ports, mtls)
            self._check(plan)
            self._adopt(plan)
            changed = self.write_config()
            steps.done()
            self._start_stores(steps)
            steps.begin(f"Starting {', '.join(f'{n} {s}' for s, n in counts.items())}")
            if changed:
                for name in self.instances():
                    Process(self.directory, name).stop()
            self.start_all(steps.progress)
            steps.done("all ready")
            steps.begin("Demo users")
            steps.done(self._demo_users() if demo_users else "none")

    def _start_stores(self, steps):
        steps.begin("Starting a private Redis and PostgreSQL")
        self.redis().start()
        postgres = self.postgres()
        postgres.start()
        created = subprocess.run(
            ["psql", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "parley", "-d", "postgres", "-Atc"]
            + ["SELECT 1 FROM pg_database WHERE datname = 'parley'"],
            capture_output=True, text=True, check=True,
        )
        if created.stdout.strip() != "1":
            subprocess.run(
                ["createdb", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "parley", "parley"], check=True
            )
        steps.done()

    def start_all(self, progress=lambda text: None):
        """roster applies the schema; every service waits for what it needs by itself."""
        names = sorted(self.instances(), key=lambda name: ["roster", "router", "c2s"].index(name.rsplit("-", 1)[0]))
        for name in names:
            self.start(name, wait=False)
        for at, name in enumerate(names):
            progress(f"{at} of {len(names)} ready, waiting for {name}")
            self.wait_ready(name)

    def start(self, name, wait=True):
        if name == "redis":
            return self.redis().start()
        if name == "postgres":
            return self.postgres().start()
        self._known(name)
        Process(self.directory, name).start(self.command(name))
        if wait:
            self.wait_ready(name)

    def stop(self, name):
        if name == "redis":
            return self.redis().stop()
        if name == "postgres":
            return self.postgres().stop()
        return self._known(name).stop()

    def kill(self, name):
        if name == "postgres":
            # Its crash stop. Killed itself, it would leave its children, which keep the next one from starting.
            self._known(name).signal(signal.SIGQUIT)
            self._known(name).wait_gone(10)
        self._known(name).kill()

    def signal(self, name, number):
        self._known(name).signal(number)

    def down(self):
        # Edges first: they hand over what they hold before those who take it go.
        for service in ("c2s", "router", "roster"):
            running = [Process(self.directory, name) for name in self.instances(service)]
            for process in running:
                process.signal(signal.SIGTERM)
            for process in running:
                process.wait_gone(STOP_SECONDS)
        self.redis().stop()
        self.postgres().stop()

    def kill_all(self):
        """Also what stands still; nothing is handed over."""
        for name in [*self.plan["instances"], "redis", "postgres"] if self.plan else []:
            self.signal(name, signal.SIGCONT)
            self.kill(name)

    def wait_ready(self, name, seconds=READY_SECONDS):
        process = Process(self.directory, name)
        process.wait_until(lambda: self.state(name) == "ready", seconds, name, lambda: self.unready_reason(name))

    def redis(self):
        return Redis(self.directory, self._need_plan()["stores"]["redis"])

    def postgres(self):
        return Postgres(self.directory, self._need_plan()["stores"]["postgres"])

    def _known(self, name):
        if name not in self.instances() and name not in ("redis", "postgres"):
            raise Failure(f"no instance {name}; there are: {', '.join([*self.instances(), 'redis', 'postgres'])}")
        return Process(self.directory, name)

    @contextmanager
    def _locked(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # -- looking ----------------------------------------------------------------------------------------------------

    def addresses(self, name):
        if name in ("redis", "postgres"):
            return {name: f"127.0.0.1:{self.plan['stores'][name]}"}
        return {key: f"127.0.0.1:{port}" for key, port in self.instances()[name]["ports"].items()}

    def http(self, name, path):
        """Status and body of the instance's admin HTTP; (0, reason) if it does not answer."""
        url = f"http://{self.addresses(name)['metrics']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def unready_reason(self, name):
        return self.http(name, "/readyz")[1].strip() if name in self.instances() else self.state(name)

    def state(self, name):
        if not Process(self.directory, name).pid():
            return "stopped"
        if name == "redis":
            return "ready" if self.redis().answers() else "starting"
        if name == "postgres":
            return "ready" if self.postgres().answers() else "starting"
        return "ready" if self.http(name, "/readyz")[0] == 200 else "unready"

    def status(self):
        return {
            "domain": self._need_plan()["domains"][0],
            "domains": self.plan["domains"],
            "ca_file": str(self.ca_file),
            "config_file": str(self.config_file),
            "services": [
                {
                    "service": self.instances()[name]["service"] if name in self.instances() else name,
                    "instance": name,
                    "pid": Process(self.directory, name).pid(),
                    "state": self.state(name),
                    "addresses": self.addresses(name),
                }
                for name in [*self.instances(), "redis", "postgres"]
            ],
        }

    # -- parleyctl --------------------------------------------------------------------------------------------------

    def ctl_command(self, arguments):
        identity = ["--identity", str(self.identity("admin"))] if self._need_plan().get("mtls") else []
        program = str(build.directory() / "bin" / "parleyctl")
        return [program, "--config", str(self.config_file), *identity, *arguments]

    def ctl(self, *arguments, stdin=None):
        return subprocess.run(
            self.ctl_command(arguments), input=stdin, capture_output=True, text=True, check=False, timeout=120
        )

    def _demo_users(self):
        accounts = "".join(f"{name}@{self.plan['domains'][0]} {word}\n" for name, word in DEMO_USERS.items())
        made = self.ctl("user", "import", "-", stdin=accounts)
        if made.returncode != 0:
            raise Failure(f"parleyctl could not create the demo users: {made.stderr or made.stdout}")
        return ", ".join(f"{name}@{self.plan['domains'][0]}" for name in DEMO_USERS)


def default_directory():
    return Path(os.environ.get("PARLEY_DIR", build.ROOT / "var"))
