"""Pods without a cluster: what the manifests say (command, environment, files, user, read-only root) is run as a
process in network, mount and host name namespaces of its own, on a bridge that nothing else is on. Names are resolved
by /etc/hosts, as the cluster's DNS would answer. Needs root."""

import base64
import ctypes
import os
import secrets
import shlex
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

from parley_dev import build
from parley_dev.processes import Process
from parley_dev.stores import Postgres

CLONE_NEWNET = 0x40000000
PREFIX = "10.77.0"
# Drops everything that the manifests' securityContext drops.
AS_USER = "setpriv --reuid={0} --regid={0} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"
# In a mount namespace of its own: a writable /etc and /run, the programs at /mnt, and then the root read-only.
SETUP = """set -e
mount -t tmpfs scratch {scratch}
mkdir {scratch}/upper {scratch}/work
mount -t overlay etc -o lowerdir=/etc,upperdir={scratch}/upper,workdir={scratch}/work /etc
mount -t tmpfs run /run
cp -r {files}/. /
chown -R {user}:{user} /etc/parley /run
mount --bind {programs} /mnt
mount -o remount,bind,ro /
ip link set lo up
hostname {name}
export PATH=/mnt:/usr/bin:/bin {environment}
{init}
exec {as_user} {command}
"""


def _run(*command):
    subprocess.run(command, check=True, capture_output=True)


class Network:
    """A bridge in a namespace of its own, and a namespace for each pod."""

    def __init__(self):
        self.tag = f"parley-{secrets.token_hex(3)}"
        self.hub = f"{self.tag}-hub"
        self.hosts = {}  # names to addresses
        self.namespaces = []
        self._last = 1
        self._namespace(self.hub)
        _run("ip", "-n", self.hub, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", self.hub, "addr", "add", f"{PREFIX}.1/24", "dev", "bridge")
        _run("ip", "-n", self.hub, "link", "set", "bridge", "up")

    def _namespace(self, name):
        _run("ip", "netns", "add", name)
        self.namespaces.append(name)

    def attach(self, name):
        """Namespace and address of a new pod."""
        self._last += 1
        namespace, end, address = f"{self.tag}-{name}", f"v{self._last}", f"{PREFIX}.{self._last}"
        self._namespace(namespace)
        _run("ip", "-n", self.hub, "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _run("ip", "-n", self.hub, "link", "set", end, "master", "bridge", "up")
        _run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        _run("ip", "-n", namespace, "link", "set", "eth0", "up")
        return namespace, address

    def hosts_text(self):
        lines = ["127.0.0.1 localhost"]
        lines += [f"{address} {name}" for name, addresses in self.hosts.items() for address in addresses]
        return "\n".join(lines) + "\n"

    def inside(self, function):
        """Runs it in a thread that is in the hub's namespace, and so are its own threads and processes."""
        outcome = {}

        def run():
            try:
                with open(f"/run/netns/{self.hub}", encoding="utf-8") as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                outcome["value"] = function()
            except BaseException as error:  # handed to the caller's thread
                outcome["error"] = error

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def close(self):
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "del", namespace], check=False)


class Pod:
    def __init__(self, rendered, network, directory, name, template):
        self.network = network
        self.name = name
        self.directory = Path(directory) / name
        self.spec = template["spec"]
        (self.container,) = self.spec["containers"]
        self.namespace, self.address = network.attach(name)
        self.process = Process(directory, name)
        self._lay_files(rendered)

    def _lay_files(self, rendered):
        self._write("/etc/hosts", self.network.hosts_text())
        (self.directory / "files" / "run").mkdir(parents=True)
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            volume = volumes[mount["name"]]
            if "configMap" in volume:
                data = rendered.one("ConfigMap", volume["configMap"]["name"])["data"]
                self._write(mount["mountPath"], data[mount["subPath"]])
            elif "secret" in volume:
                data = rendered.one("Secret", volume["secret"]["secretName"])["data"]
                for item in volume["secret"]["items"]:
                    text = base64.b64decode(data[item["key"]]).decode()
                    self._write(f"{mount['mountPath']}/{item['path']}", text)
            else:
                (self.directory / "files" / mount["mountPath"].lstrip("/")).mkdir(parents=True)

    def _write(self, path, text):
        file = self.directory / "files" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _script(self):
        user = AS_USER.format(self.spec["securityContext"]["runAsUser"])
        init = [f"{user} {shlex.join(one['command'])}" for one in self.spec.get("initContainers", [])]
        environment = [shlex.quote(f"{one['name']}={one['value']}") for one in self.container.get("env", [])]
        return SETUP.format(
            scratch=self.directory / "scratch", files=self.directory / "files", programs=build.directory() / "bin",
            name=self.name, environment=" ".join(environment), init="\n".join(init), as_user=user,
            command=shlex.join(self.container["command"]), user=self.spec["securityContext"]["runAsUser"],
        )

    def _enter(self):
        (self.directory / "scratch").mkdir(exist_ok=True)
        return ["nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "-m", "-u", "sh", "-c", self._script()]

    def start(self):
        self.process.start(self._enter())

    def run(self):
        """For a Job: runs to its end."""
        return subprocess.run(self._enter(), capture_output=True, text=True, check=False)

    def execute(self, *command, stdin=None):
        """As kubectl exec would."""
        inside = ["nsenter", "-t", str(self.process.pid()), "-m", "-n", "-u", "env", "PATH=/mnt:/usr/bin:/bin"]
        return subprocess.run([*inside, *command], input=stdin, capture_output=True, text=True, check=False)

    def tell_hosts(self):
        """Written in place: the cluster's DNS has a new answer."""
        Path(f"/proc/{self.process.pid()}/root/etc/hosts").write_text(self.network.hosts_text())

    def passes(self, probe):
        get = self.container[probe]["httpGet"]
        (port,) = [port["containerPort"] for port in self.container["ports"] if port["name"] == get["port"]]
        try:
            with urllib.request.urlopen(f"http://{self.address}:{port}{get['path']}", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def grace(self):
        """Seconds of preStop's sleep, and those that SIGTERM leaves after it."""
        hook = self.container.get("lifecycle", {}).get("preStop", {})
        asleep = hook.get("sleep", {}).get("seconds", 0)
        return asleep, self.spec["terminationGracePeriodSeconds"] - asleep


class PodPostgres(Postgres):
    """PostgreSQL in a namespace, for all of the bridge, with a password."""

    def __init__(self, directory, namespace, password):
        super().__init__(directory, 5432)
        self.namespace = namespace
        self.password = password

    def start(self):
        self._create()
        with open(self.directory / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write("listen_addresses = '*'\n")
        with open(self.directory / "pg_hba.conf", "a", encoding="utf-8") as access:
            access.write(f"host all all {PREFIX}.0/24 scram-sha-256\n")
        run = ["nsenter", f"--net=/run/netns/{self.namespace}"]
        subprocess.run(["ip", "-n", self.namespace, "link", "set", "lo", "up"], check=True)
        super_command = self._as_owner
        self._as_owner = lambda command: run + super_command(command)
        super().start()
        for sql in (f"ALTER ROLE parley PASSWORD '{self.password}'", "CREATE DATABASE parley"):
            _run(*run, "psql", "-h", "127.0.0.1", "-U", "parley", "-d", "postgres", "-c", sql)

    def answers(self):
        ready = ["nsenter", f"--net=/run/netns/{self.namespace}", "pg_isready", "-q", "-h", "127.0.0.1"]
        return subprocess.run(ready, check=False).returncode == 0


def may_run():
    return os.geteuid() == 0
