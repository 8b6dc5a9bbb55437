"""A cluster whose services reach each other and their stores only through proxies, one for each pair."""

import json
import subprocess
import sys

import tcpproxy
from parley_dev.cluster import Cluster

STORES = {"c2s": ["redis"], "router": ["redis"], "roster": ["postgres"]}


class ProxiedCluster(Cluster):
    def __init__(self, directory):
        super().__init__(directory)
        self._proxy = None
        self._ports = {}  # (from, to): port

    def start_all(self, progress=lambda text: None):
        self._start_proxy()
        super().start_all(progress)

    def down(self):
        super().down()
        if self._proxy is not None:
            self._proxy.stdin.close()
            self._proxy.wait()
            self._proxy = None

    def _start_proxy(self):
        targets = {name: instance["ports"].get("grpc") for name, instance in self.instances().items()}
        targets |= self.plan["stores"]
        pairs = [pair for name in self.instances() for pair in self._needs(name)]
        # In a session of its own: Ctrl-C ends us first, then the services, which hand over through it.
        self._proxy = subprocess.Popen(
            [sys.executable, tcpproxy.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        ports = json.loads(self._ask(json.dumps({_link(*pair): targets[pair[1]] for pair in pairs})))
        self._ports = {pair: ports[_link(*pair)] for pair in pairs}

    def _needs(self, name):
        """(name, what it dials) of one instance."""
        service = self.instances()[name]["service"]
        peers = [] if service == "roster" else [*self.instances("router"), *self.instances("roster")]
        return [(name, peer) for peer in peers + STORES[service]]

    def _ask(self, line):
        self._proxy.stdin.write(line + "\n")
        self._proxy.stdin.flush()
        return self._proxy.stdout.readline()

    def command(self, name):
        command = super().command(name)
        own = {to: port for (source, to), port in self._ports.items() if source == name}
        for service in ("router", "roster"):
            addresses = [f"127.0.0.1:{port}" for to, port in own.items() if to.startswith(service)]
            if addresses:
                command += ["--set", f"cluster.{service}s={','.join(addresses)}"]
        for store in ("redis", "postgres"):
            if store in own:
                command += ["--set", f"{store}.port={own[store]}"]
        return command

    def links(self, name):
        """Of one instance or store, in both directions."""
        return sorted(_link(*pair) for pair in self._ports if name in pair)

    def partition(self, links, how):
        """`how`: hold, cut, release."""
        if self._ask(" ".join([how, *links])) != "ok\n":
            raise RuntimeError("the proxy ended")


def _link(source, target):
    return f"{source}>{target}"
