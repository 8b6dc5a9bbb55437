"""The dev overlay's pods, started, probed, replaced one by one under traffic and stopped, as Kubernetes would."""

import asyncio
import base64
import itertools
import ssl
import subprocess
from collections import Counter

import pytest

from manifests import Rendered
from parley_dev.processes import Process, wait_until
from pods import Network, Pod, PodPostgres, may_run
from rawxmpp import Ended, Raw

DOMAIN = "parley.localhost"
PASSWORD = "correct horse"

pytestmark = pytest.mark.skipif(not may_run(), reason="needs root for namespaces")


class Kubelet:
    """Starts and stops pods by what their manifests say."""

    def __init__(self, directory):
        self.directory = directory
        self.rendered = Rendered("dev")
        self.network = Network()
        self.pods = {"c2s": [], "router": [], "roster": []}
        self.stores = []
        self._numbers = itertools.count(1)

    def password(self, secret):
        (found,) = [s for s in self.rendered.of("Secret") if s["metadata"]["name"].startswith(secret)]
        return base64.b64decode(found["data"]["password"]).decode()

    def start_stores(self):
        namespace, address = self.network.attach("redis")
        redis = Process(self.directory, "redis")
        command = f"redis-server --bind {address} --port 6379 --save '' --requirepass {self.password('parley-redis')}"
        redis.start(["nsenter", f"--net=/run/netns/{namespace}", "sh", "-c", "exec " + command], cwd=self.directory)
        self.network.hosts["redis"] = [address]
        namespace, address = self.network.attach("postgres")
        postgres = PodPostgres(self.directory / "store", namespace, self.password("parley-postgres"))
        postgres.start()
        self.network.hosts["postgres"] = [address]
        self.stores = [redis, postgres]

    def template(self, kind, name):
        return self.rendered.one(kind, name)["spec"]["template"]

    def new(self, component):
        name = f"parley-{component}-{next(self._numbers)}"
        pod = Pod(self.rendered, self.network, self.directory, name, self.template("Deployment", f"parley-{component}"))
        self.pods[component].append(pod)
        pod.start()
        self.resolve()
        return pod

    def resolve(self):
        """Headless services: routers are listed ready or not (publishNotReadyAddresses); see their Service."""
        for component in ("router", "roster"):
            self.network.hosts[f"parley-{component}"] = [pod.address for pod in self.pods[component]]
        for pod in itertools.chain(*self.pods.values()):
            # Its own file is laid before it starts.
            wait_until(lambda pod=pod: pod.passes("startupProbe"), 60, pod.name, pod.process.pid)
            pod.tell_hosts()

    def wait_ready(self, pod):
        wait_until(lambda: pod.passes("readinessProbe"), 60, f"{pod.name} to be ready", pod.process.pid)

    async def stop(self, component, pod):
        asleep, left = pod.grace()
        if component == "roster":
            self.pods[component].remove(pod)
            await asyncio.to_thread(self.resolve)
        await asyncio.sleep(asleep)  # the hook's own
        ended = await asyncio.to_thread(pod.process.stop, left)
        assert ended, f"{pod.name} had to be killed after its grace period"
        if pod in self.pods[component]:
            self.pods[component].remove(pod)
            await asyncio.to_thread(self.resolve)

    async def replace(self, component):
        """maxUnavailable 0, maxSurge 1: a new one first."""
        for old in list(self.pods[component]):
            new = await asyncio.to_thread(self.new, component)
            await asyncio.to_thread(self.wait_ready, new)
            await self.stop(component, old)

    def close(self):
        for pod in itertools.chain(*self.pods.values()):
            pod.process.kill()
        for store in self.stores:
            store.stop()
        self.network.close()


@pytest.fixture
def kubelet(tmp_path):
    running = Kubelet(tmp_path)
    yield running
    running.close()


class Chat:
    """romeo sends numbers until each is confirmed; juliet comes back whenever she is sent away. Both lose streams."""

    def __init__(self, kubelet):
        self.kubelet = kubelet
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE  # the dev overlay's certificate is self-signed
        self.sent = 0
        self.said = Counter()  # numbers: how often, of what was not refused
        self.received = Counter()
        self.stopping = False

    async def login(self, user):
        for pod in itertools.cycle([*self.kubelet.pods["c2s"], None]):
            if pod is None:
                await asyncio.sleep(0.05)  # one round is over: edges change
                return await self.login(user)
            try:
                raw = await Raw.login(f"{pod.address}:5222", f"{user}@{DOMAIN}", PASSWORD, self.context)
                await raw.available()
                return raw
            except (OSError, Ended, AssertionError, asyncio.TimeoutError):
                continue

    async def send(self):
        raw = await self.login("romeo")
        while not self.stopping:
            try:
                self.said[self.sent] += 1
                await raw.message(f"juliet@{DOMAIN}", f"number {self.sent}")
                # The answer comes after the message has been taken; an error would come before it.
                if any(element.get("type") == "error" for element in await raw.sync()):
                    self.said[self.sent] -= 1
                    continue
                self.sent += 1
            except (OSError, Ended, asyncio.TimeoutError):
                raw = await self.login("romeo")

    async def receive(self):
        while True:
            try:
                raw = await self.login("juliet")
                while True:
                    element = await raw.receive()
                    text = element.findtext("{jabber:client}body") or ""
                    if text.startswith("number "):
                        self.received[int(text.split()[1])] += 1
            except (OSError, Ended, asyncio.TimeoutError):
                continue

    async def during(self, change):
        sender, receiver = asyncio.create_task(self.send()), asyncio.create_task(self.receive())
        await change()
        enough = self.sent + 20
        await self.until(lambda: self.sent >= enough)
        self.stopping = True
        await sender
        await self.until(lambda: len(self.received) >= self.sent)
        receiver.cancel()

    @staticmethod
    async def until(condition, seconds=60):
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)


def test_rolling_restart_of_everything_loses_and_repeats_nothing(kubelet):
    def whole():
        kubelet.start_stores()
        for _ in range(2):
            job = Pod(kubelet.rendered, kubelet.network, kubelet.directory, f"migrate-{next(kubelet._numbers)}",
                      kubelet.template("Job", "parley-migrate"))
            done = job.run()
            assert done.returncode == 0, done.stdout + done.stderr
        for component, replicas in (("roster", 1), ("router", 2), ("c2s", 2)):
            for _ in range(replicas):
                kubelet.new(component)
        for pod in itertools.chain(*kubelet.pods.values()):
            kubelet.wait_ready(pod)
            assert pod.passes("livenessProbe")
        accounts = f"romeo@{DOMAIN} {PASSWORD}\njuliet@{DOMAIN} {PASSWORD}\n"
        made = kubelet.pods["router"][0].execute("parleyctl", "user", "import", "-", stdin=accounts)
        assert made.returncode == 0, made.stdout + made.stderr
        chat = Chat(kubelet)

        async def roll():
            for component in ("roster", "router", "c2s"):
                await kubelet.replace(component)

        asyncio.run(chat.during(roll))
        assert set(chat.received) >= set(range(chat.sent))
        assert not chat.received - chat.said, "came more often than romeo said it"

    kubelet.network.inside(whole)


def test_pod_cannot_write_and_is_nobody(kubelet):
    def whole():
        kubelet.start_stores()
        pod = kubelet.new("router")
        status = subprocess.run(["grep", "-E", "^(Uid|CapEff|NoNewPrivs)", f"/proc/{pod.process.pid()}/status"],
                                capture_output=True, text=True, check=True).stdout.split()
        assert status == ["Uid:", *["10001"] * 4, "CapEff:", "0" * 16, "NoNewPrivs:", "1"]
        assert pod.execute("touch", "/usr/file").returncode != 0

    kubelet.network.inside(whole)
