"""Prosody from Debian, tuned for load: its epoll backend and generational collector, no limits, no module that the
scenarios do not need, internal storage."""

from harness.peer import DOMAIN, ITERATIONS, PREFIX, SALT, Peer, Process, answers, finished, package_version, scram_keys
from parley_dev import certificates
from parley_dev.processes import wait_until

CONFIG = """
run_as_root = true
data_path = "{directory}/data"
pidfile = "{directory}/prosody.pid"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "version", "time", "smacks" }}
modules_disabled = {{ "s2s" }}
c2s_require_encryption = true
authentication = "internal_hashed"
storage = "internal"
network_backend = "epoll"
network_settings = {{ tcp_backlog = 1024 }}
gc = {{ mode = "generational" }}
smacks_max_queue_size = 100000
ssl = {{ certificate = "{certificate}", key = "{key}" }}
log = {{ warn = "{directory}/prosody.log" }}
VirtualHost "{domain}"
"""


class Prosody(Peer):
    name = "prosody"
    packages = ("prosody", "lua-sec", "lua-event")

    def __init__(self, directory):
        super().__init__(directory)
        self.process = Process(self.directory, "prosody")
        self.port = self.port_for("c2s")

    def start(self, accounts):
        files = certificates.ensure(self.directory / "tls", [DOMAIN])
        self._write_accounts(accounts)
        config = self.directory / "prosody.cfg.lua"
        config.write_text(
            CONFIG.format(
                directory=self.directory, port=self.port, domain=DOMAIN,
                certificate=files["certificate"], key=files["key"],
            )
        )
        self.process.start(["prosody", "-F", "--config", str(config)])
        wait_until(lambda: answers(self.port), 30, "Prosody", self.process.pid)

    def _write_accounts(self, accounts):
        stored, server = scram_keys()
        text = (
            f'return {{ ["iteration_count"] = {ITERATIONS}; ["salt"] = "{SALT.decode()}"; '
            f'["stored_key"] = "{stored.hex()}"; ["server_key"] = "{server.hex()}"; }};\n'
        )
        folder = self.directory / "data" / DOMAIN / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        made = len(list(folder.iterdir()))
        for number in range(accounts if made < accounts else 0):
            (folder / f"{PREFIX}{number}.dat").write_text(text)

    def stop(self):
        self.process.stop(15)

    def load_arguments(self):
        return ["--server", f"127.0.0.1:{self.port}", "--pids", f"prosody={self.process.pid()}"]

    def version(self):
        lua = finished(["prosodyctl", "about"], 30, "prosodyctl about", capture_output=True).stdout
        words = [line.split()[-1] for line in lua.splitlines() if line.startswith("Lua version")]
        return f"Prosody {package_version('prosody')}, Lua {''.join(words)}"
