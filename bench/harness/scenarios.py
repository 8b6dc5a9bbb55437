"""What is measured, with the budgets that Parley is built to (server CPU per delivery and so on)."""

from dataclasses import dataclass, field

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
    rounds: int = 0  # 0: as many as asked for
    server: str = ""  # only this one; "": each
    like: str = ""  # the scenario whose figures of the peers its ratio is to; "": its own
    without: str = ""  # the same without stream management
    fresh: bool = False  # on a server that has just started: memory that others left does not count
    limit: float = LOGINS_SECONDS  # of one run, beside the time of its measurement: then it counts as stuck

    def value(self, report):
        value = report[self.metric]
        return value / 1000 if self.unit == "ms" else value


def timed(seconds):
    return ["--seconds", str(seconds), "--warmup", "1"]


def all_scenarios(seconds):
    chat = ["chat", "-n", "400", *OTHERS, *timed(seconds)]
    one, ten, rate = [*chat, "--window", "1"], [*chat, "--window", "10"], [*chat, "--rate", "2000"]
    same = ["--placement", "same"]
    return [
        Scenario("chat-1", "chat, 200 pairs, 1 in flight each", one, "35"),
        Scenario("chat-10", "chat, 200 pairs, 10 in flight each", ten, "15"),
        Scenario("chat-10-sm", "chat, 10 in flight each, stream management", [*ten, "--sm"], "1.5 times without",
                 without="chat-10"),
        Scenario("chat-open", "chat, open loop, 2,000 a second", rate, "110"),
        Scenario("chat-open-sm", "chat, open loop, stream management", [*rate, "--sm"], without="chat-open"),
        Scenario("presence", "presence fan-out, roster of 20",
                 ["presence", "-n", str(ROSTERED), "--contacts", "20", "--group", "50", *timed(seconds)], "8"),
        Scenario("iq", "iq ping to the server", ["iq", "-n", "400", *OTHERS, *timed(seconds)], "25"),
        Scenario("login", "login: TLS, SCRAM-SHA-1, bind, roster, presence", ["login", "-n", "600", *OTHERS], "0.8", "ms"),
        Scenario("resume", "resumption (XEP-0198) with 5 messages missed", ["resume", "-n", "400", *OTHERS], "", "ms"),
        Scenario("chat-1-same", "chat, 1 in flight each, both on one node", [*one, *same], server="parley", like="chat-1"),
        Scenario("chat-10-same", "chat, 10 in flight each, both on one node", [*ten, *same], server="parley", like="chat-10"),
        Scenario("chat-10-sm-same", "chat, 10 in flight each, stream management, both on one node", [*ten, "--sm", *same],
                 server="parley", like="chat-10-sm", without="chat-10-same"),
        Scenario("chat-open-same", "chat, open loop, both on one node", [*rate, *same], server="parley", like="chat-open"),
        Scenario("chat-1-single", "chat, 1 in flight each, a cluster of one of each", one, server="single", like="chat-1"),
        Scenario("chat-10-single", "chat, 10 in flight each, a cluster of one of each", ten, server="single", like="chat-10"),
        Scenario("chat-open-single", "chat, open loop, a cluster of one of each", rate, server="single", like="chat-open"),
        Scenario("idle", "idle TLS session, 10,000 of them, KiB PSS each",
                 ["idle", "-n", "10000", "--concurrency", "32", "--first", "1000"], "18", "KiB", "pss_kib_per_connection",
                 rounds=1, fresh=True, limit=400),
    ]
