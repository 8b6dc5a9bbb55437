"""parley-relay in Parley's place: TLS and bytes passed on, no XMPP. One process, or two edges with a hub between them."""

from harness.peer import DOMAIN, Peer, Process, answers
from parley_dev import build, certificates
from parley_dev.processes import wait_until


class Relay(Peer):
    def __init__(self, directory, chain):
        self.name = "chain" if chain else "relay"
        super().__init__(directory)
        names = ["hub", "edge-1", "edge-2"] if chain else ["relay"]
        self.ports = {name: self.port_for(name) for name in names}
        self.processes = {name: Process(self.directory, name) for name in names}
        self.edges = [name for name in names if name != "hub"]

    def start(self, accounts):
        files = certificates.ensure(self.directory / "tls", [DOMAIN])
        if "hub" in self.ports:
            self._start("hub", ["hub", self.ports["hub"]])
        hub = [self.ports[name] for name in self.ports if name == "hub"]
        for name in self.edges:
            self._start(name, ["edge", self.ports[name], files["certificate"], files["key"], *hub])

    def _start(self, name, words):
        program = build.directory() / "bin" / "parley-relay"
        process = self.processes[name]
        process.start([str(word) for word in [program, *words]])
        wait_until(lambda: answers(self.ports[name]), 30, name, process.pid)

    def stop(self):
        for name in reversed(self.processes):
            self.processes[name].stop(5)

    def load_arguments(self):
        servers = [word for name in self.edges for word in ("--server", f"127.0.0.1:{self.ports[name]}")]
        pids = [word for name, process in self.processes.items() for word in ("--pids", f"{name}={process.pid()}")]
        return ["--relay", "--direct-tls", *servers, *pids]
