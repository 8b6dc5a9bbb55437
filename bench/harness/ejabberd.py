"""ejabberd from Debian, tuned for load: no shapers, kernel poll, schedulers that do not spin when idle (it is CPU time
that counts), internal authentication with SCRAM keys, no module that the scenarios do not need."""

import os

from harness.peer import DOMAIN, ITERATIONS, PREFIX, SALT, Peer, Process, answers, encoded
from harness.peer import finished, package_version, scram_keys
from parley_dev import certificates
from parley_dev.processes import wait_until
from parley_dev.steps import Failure

CONFIG = """
hosts: [{domain}]
loglevel: warning
certfiles: ["{certificate}", "{key}"]
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls_required: true
    max_stanza_size: 262144
    backlog: 1024
auth_method: [internal]
auth_password_format: scram
auth_scram_hash: sha
shaper_rules: {{max_user_sessions: 10}}
modules:
  mod_disco: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{versioning: true}}
  mod_stream_mgmt: {{max_ack_queue: infinity}}
  mod_time: {{}}
  mod_version: {{}}
"""
# The record of one account that the server itself made, copied under other names with known keys. The name of that one is
# not used: the server remembers its password, whatever is written later.
MAKE_ACCOUNTS = """
  L = <<"{domain}">>,
  ejabberd_auth:try_register(<<"model">>, L, <<"x">>),
  [Model] = mnesia:dirty_read(passwd, {{<<"model">>, L}}),
  Scram = element(3, Model),
  Keys = setelement(2, setelement(3, setelement(4, setelement(6, Scram, {iterations}), <<"{salt}">>),
                    <<"{server}">>), <<"{stored}">>),
  Names = [{{iolist_to_binary(["{prefix}", integer_to_list(N)]), L}} || N <- lists:seq(0, {last})],
  [mnesia:dirty_write(setelement(2, setelement(3, Model, Keys), Name))
     || Name <- Names, mnesia:dirty_read(passwd, Name) == []],
  mnesia:table_info(passwd, size) - 1
"""
BEAM = ["+K", "true", "+P", "250000", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]


class Ejabberd(Peer):
    name = "ejabberd"
    packages = ("ejabberd",)

    def __init__(self, directory):
        super().__init__(directory)
        self.process = Process(self.directory, "ejabberd")
        self.port = self.port_for("c2s")
        # In place of the port mapper daemon, which would be shared with the system's Erlang nodes.
        self.node_port = self.port_for("node")

    def _erl(self, name, *arguments):
        return [
            *("erl", "-sname", f"{name}@localhost", "-setcookie", "parley-bench", "-hidden", "-noinput"),
            *("-erl_epmd_port", str(self.node_port), "-start_epmd", "false", *arguments),
        ]

    def _environment(self):
        return {
            **os.environ,
            "HOME": str(self.directory),
            "ERL_LIBS": "/usr/lib/x86_64-linux-gnu",
            "EJABBERD_CONFIG_PATH": str(self.directory / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.directory / "ejabberd.log"),
            "ERL_MAX_PORTS": "32000",
            "ERL_CRASH_DUMP_BYTES": "0",
        }

    def start(self, accounts):
        files = certificates.ensure(self.directory / "tls", [DOMAIN])
        (self.directory / "ejabberd.yml").write_text(
            CONFIG.format(domain=DOMAIN, port=self.port, certificate=files["certificate"], key=files["key"])
        )
        command = self._erl("benchserver", *BEAM, "-mnesia", "dir", f'"{self.directory / "mnesia"}"', "-s", "ejabberd")
        self.process.start(command, env=self._environment(), cwd=self.directory)
        wait_until(lambda: answers(self.port), 60, "ejabberd", self.process.pid)
        stored, server = scram_keys()
        made = self._evaluate(
            MAKE_ACCOUNTS.format(
                domain=DOMAIN, prefix=PREFIX, iterations=ITERATIONS, last=accounts - 1,
                salt=encoded(SALT), stored=encoded(stored), server=encoded(server),
            )
        )
        if int(made) < accounts:
            raise Failure(f"ejabberd has {made} of {accounts} accounts")

    def _evaluate(self, expressions):
        """Runs Erlang in the server; returns what it prints of the last value."""
        script = (
            "F = fun() -> " + " ".join(expressions.split()) + " end, "
            "io:format(\"~p~n\", [rpc:call('benchserver@localhost', erlang, apply, [F, []])]), halt()."
        )
        ran = finished(
            self._erl("benchcontrol", "-dist_listen", "false", "-eval", script),
            120, "ejabberd: making accounts", env=self._environment(), capture_output=True,
        )
        if ran.returncode != 0 or "badrpc" in ran.stdout:
            raise Failure(f"ejabberd: {ran.stdout}{ran.stderr}")
        return ran.stdout.strip()

    def stop(self):
        self.process.stop(15)

    def load_arguments(self):
        return ["--server", f"127.0.0.1:{self.port}", "--pids", f"ejabberd={self.process.pid()}"]

    def version(self):
        return f"ejabberd {package_version('ejabberd')}, Erlang {package_version('erlang-base')}"
