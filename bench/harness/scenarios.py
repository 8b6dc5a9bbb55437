"""What is measured, with the budgets that Parley is built to (server CPU per delivery and so on)."""

from dataclasses import dataclass, field, replace

from harness.run import LOGINS_SECONDS

ACCOUNTS = 11000
ROSTERED = 200  # users 0 to 199 have contacts; the other scenarios use the rest
OTHERS = ["--first", "1000"]


@dataclass(frozen=True)
class Scenario:
    key: str
    title: str
    arguments: list = field(hash=False)
    budget: str = ""
    unit: str = "us"  # what cpu_us_per_unit is shown in
    metric: str = "cpu_us_per_unit"
    server: str = ""  # only this one; "": each
    like: str = ""  # the scenario whose figures of the peers its ratio is to; "": its own
    without: str = ""  # the same without stream management
    fresh: bool = False  # on a server that has just started: memory that others left does not count
    limit: float = LOGINS_SECONDS  # of one run, beside the time of its measurement: then it counts as stuck

    @property
    def needs_rosters(self):
        return self.arguments[0] == "presence"

    def value(self, report):
        value = report[self.metric]
        return value / 1000 if self.unit == "ms" else value


def timed(seconds):
    return ["--seconds", str(seconds), "--warmup", "1"]


def all_scenarios(seconds):
    chat = ["chat", "-n", "400", *OTHERS, *timed(seconds)]
    one, ten, rate = [*chat, "--window", "1"], [*chat, "--window", "10"], [*chat, "--rate", "2000"]
    presence = ["presence", "-n", str(ROSTERED), "--contacts", "20", "--group", "50", *timed(seconds)]
    login = ["login", "-n", "600", *OTHERS]
    idle = ["idle", "-n", "10000", "--concurrency", "32", *OTHERS]
    shared = [
        Scenario("chat-1", "chat, 200 pairs, 1 in flight each", one, "35"),
        Scenario("chat-10", "chat, 200 pairs, 10 in flight each", ten, "15"),
        Scenario("chat-10-sm", "chat, 10 in flight each, stream management", [*ten, "--sm"], "1.5 times without",
                 without="chat-10"),
        Scenario("chat-open", "chat, open loop, 2,000 a second", rate, "110"),
        Scenario("chat-open-sm", "chat, open loop, stream management", [*rate, "--sm"], without="chat-open"),
        Scenario("presence", "presence fan-out, roster of 20", presence, "8"),
        Scenario("iq", "iq ping to the server", ["iq", "-n", "400", *OTHERS, *timed(seconds)], "25"),
        Scenario("login", "login: TLS, SCRAM-SHA-1, bind, roster, presence", login, "0.8", "ms"),
        Scenario("resume", "resumption (XEP-0198) with 5 messages missed", ["resume", "-n", "400", *OTHERS], "", "ms"),
        Scenario("idle", "idle TLS session, 10,000 of them, KiB PSS each", idle, "18", "KiB", "pss_kib_per_connection",
                 fresh=True, limit=400),
    ]  # fmt: skip
    same = {"chat-1": "chat, 1 in flight each", "chat-10": "chat, 10 in flight each",
            "chat-10-sm": "chat, 10 in flight each, stream management", "chat-open": "chat, open loop",
            "chat-open-sm": "chat, open loop, stream management"}  # fmt: skip
    single = {**same, "presence": "presence fan-out, roster of 20", "iq": "iq ping to the server", "login": "login",
              "idle": "idle TLS session"}  # fmt: skip
    by_key = {scenario.key: scenario for scenario in shared}
    found = [
        *shared,
        *(alone(by_key[key], "same", f"{title}, both on one node", "parley", ["--placement", "same"])
          for key, title in same.items()),
        *(alone(by_key[key], "single", f"{title}, a cluster of one of each", "single") for key, title in single.items()),
    ]  # fmt: skip
    return sorted(found, key=lambda scenario: scenario.fresh)  # they leave servers that nothing has warmed up


def alone(scenario, suffix, title, server, more=()):
    """The same load where only Parley has figures."""
    return replace(
        scenario, key=f"{scenario.key}-{suffix}", title=title, arguments=[*scenario.arguments, *more], budget="",
        server=server, like=scenario.key, without=scenario.without and f"{scenario.without}-{suffix}",
    )  # fmt: skip
