"""The commands that a person types: `./parley up` and what belongs to it, and two clusters side by side."""

import json
import os
import socket
import ssl
import subprocess

import pytest

from conftest import NO_LIMITS, ROOT
from parley_dev.steps import Failure
from parley_dev.stores import Postgres, Redis
from rawxmpp import Raw, body, is_message

PASSWORDS = {"romeo": "juliet-forever", "juliet": "romeo-forever"}


class Checkout:
    """`./parley` with a directory of its own."""

    def __init__(self, directory):
        self.directory = directory

    def run(self, *words, code=0):
        environment = os.environ | {"PARLEY_DIR": str(self.directory)}
        done = subprocess.run(
            [str(ROOT / "parley"), *words], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def up(self, *words):
        return self.run("up", *words, *(word for setting in NO_LIMITS for word in ("--set", setting)))

    def status(self):
        return json.loads(self.run("status", "--json"))

    def services(self):
        return {each["instance"]: each for each in self.status()["services"]}

    async def login(self, user, edge):
        status = self.status()
        address = next(each for each in status["services"] if each["instance"] == edge)["addresses"]["xmpp"]
        context = ssl.create_default_context(cafile=status["ca_file"])
        raw = await Raw.login(address, f"{user}@{status['domain']}", PASSWORDS[user], context)
        await raw.available()
        return raw


@pytest.fixture
def checkouts(tmp_path):
    both = [Checkout(tmp_path / name) for name in ("one", "two")]
    yield both
    for each in both:
        if each.directory.exists():
            each.run("down")


async def test_two_clusters_side_by_side_as_a_person_uses_them(checkouts):
    one, two = checkouts
    assert "romeo@localhost (password juliet-forever)" in one.up("--c2s", "2", "--router", "1")
    two.up("--c2s", "1", "--router", "1", "--domain", "other.test")

    status = one.status()
    assert status["domain"] == "localhost" and os.path.exists(status["ca_file"])
    services = one.services()
    assert {name: each["service"] for name, each in services.items()} == {
        "c2s-1": "c2s", "c2s-2": "c2s", "router-1": "router", "roster-1": "roster", "redis": "redis", "postgres": "postgres",
    }  # fmt: skip
    assert all(each["state"] == "ready" and each["pid"] for each in services.values())
    assert {"xmpp", "xmpps", "metrics"} <= services["c2s-1"]["addresses"].keys()
    ours = {address for each in services.values() for address in each["addresses"].values()}
    theirs = {address for each in two.services().values() for address in each["addresses"].values()}
    assert not ours & theirs

    romeo, juliet = await one.login("romeo", "c2s-1"), await one.login("juliet", "c2s-2")
    await romeo.message(juliet.jid, "over here")
    assert body(await juliet.until(is_message)) == "over here"
    elsewhere = await two.login("romeo", "c2s-1")
    assert elsewhere.jid.startswith("romeo@other.test/")
    assert "romeo@other.test" in two.run("ctl", "user", "list") and "localhost" not in two.run("ctl", "user", "list")

    one.run("kill", "c2s-2")
    killed = one.services()["c2s-2"]
    assert (killed["state"], killed["pid"]) != ("ready", services["c2s-2"]["pid"])
    one.run("start", "c2s-2")
    one.run("restart", "router-1")
    one.run("stop", "c2s-1")
    assert one.services()["c2s-1"]["state"] != "ready"
    again = one.services()
    assert again["c2s-2"]["state"] == again["router-1"]["state"] == "ready"
    assert again["router-1"]["pid"] != services["router-1"]["pid"]
    assert one.run("logs", "-n", "5", "c2s-2").strip()
    one.run("start", "c2s-9", code=1)

    one.up("--c2s", "3")  # what is not named stays as it was
    assert {name for name, each in one.services().items() if each["state"] == "ready"} == {
        "c2s-1", "c2s-2", "c2s-3", "router-1", "roster-1", "redis", "postgres",
    }  # fmt: skip
    one.run("down")
    assert not any(each["pid"] for each in one.services().values())
    assert two.services()["c2s-1"]["state"] == "ready"
    await elsewhere.sync()
    one.up()
    assert "romeo@localhost" in one.run("ctl", "user", "list"), "accounts stay"


@pytest.mark.parametrize("mistake", [("--set", "c2s.idel_ping=60s"), ("--domain", "bad domain"), ("--c2s", "2", "--set", "c2s")])
def test_a_mistake_stops_and_changes_nothing(one_up, mistake):
    before, plan = one_up.services(), (one_up.directory / "cluster.json").read_text()
    said = one_up.run("up", *mistake, code=1)
    assert "parley-" in said and "nothing was stopped or changed" in said and "proposed-" not in said
    assert one_up.services() == before
    assert (one_up.directory / "cluster.json").read_text() == plan
    assert not list(one_up.directory.glob("proposed-*"))


def test_options_after_ctl_are_those_of_parleyctl(one_up):
    assert "import" in one_up.run("ctl", "--help")
    assert json.loads(one_up.run("ctl", "--json", "members"))
    assert "romeo@localhost" in one_up.run("ctl", "user", "list", "--json")


@pytest.fixture(scope="module")
def one_up(tmp_path_factory):
    one = Checkout(tmp_path_factory.mktemp("checkout") / "one")
    one.up("--c2s", "1", "--router", "1")
    yield one
    one.run("down")


@pytest.mark.parametrize("store", [Redis, Postgres])
def test_a_store_that_ends_at_once_says_why(store, tmp_path):
    with socket.socket() as taken:  # one that listened would keep those who ask waiting
        taken.bind(("127.0.0.1", 0))
        one = store(tmp_path, taken.getsockname()[1])
        one.process.log_file.parent.mkdir()
        one.process.log_file.write_text("what it said the day before\n")
        with pytest.raises(Failure) as failure:
            one.start()
    said = str(failure.value)
    assert "Address already in use" in said and str(one.process.log_file) in said
    assert "the day before" not in said
