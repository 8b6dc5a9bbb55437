"""parleyctl as an operator uses it, against the running cluster."""

import json

import pytest

from conftest import PASSWORD
from rawxmpp import condition


def ctl(world, *arguments, stdin=None, code=0):
    ran = world.cluster.ctl(*arguments, stdin=stdin)
    assert ran.returncode == code, f"{arguments}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}"
    return ran


async def test_user_is_added_logs_in_changes_password_and_goes(world):
    ctl(world, "user", "add", "ctl-ada@localhost", "--password", PASSWORD)
    ctl(world, "user", "add", "ctl-ada@localhost", "--password", PASSWORD, code=1)
    assert "ctl-ada@localhost" in ctl(world, "user", "list", "localhost").stdout
    await (await world.login("ctl-ada@localhost")).close()
    ctl(world, "user", "passwd", "ctl-ada@localhost", "--password", "another")
    with pytest.raises(AssertionError):
        await world.login("ctl-ada@localhost")
    ctl(world, "user", "passwd", "ctl-ada@localhost", stdin=PASSWORD + "\n")
    session = await world.login("ctl-ada@localhost")
    ctl(world, "user", "del", "ctl-ada@localhost")
    assert condition((await session.ended())[-1]) == "not-authorized"
    assert "ctl-ada@localhost" not in ctl(world, "user", "list", "localhost").stdout
    ctl(world, "user", "del", "ctl-ada@localhost", code=1)


async def test_deleted_user_leaves_its_contacts(world):
    ctl(world, "user", "add", "ctl-bob@localhost", "--password", PASSWORD)
    bob = await world.login("ctl-bob@localhost", 1)
    friend = await world.login(world.account(), 0)
    await friend.presence(type="subscribe", to="ctl-bob@localhost")
    await bob.until(lambda e: e.get("type") == "subscribe")
    await bob.presence(type="subscribed", to=friend.jid.split("/")[0])
    await friend.until(lambda e: e.get("type") == "subscribed")
    ctl(world, "user", "del", "ctl-bob@localhost")
    await friend.until(lambda e: e.get("type") == "unsubscribed")
    assert (await friend.roster())["ctl-bob@localhost"].get("subscription") == "none"


def test_import_reports_bad_lines_by_number_and_goes_on(world):
    lines = f"imp-a@localhost {PASSWORD}\n\nnonsense\nimp-b@nowhere.test pw\nimp-c@second.test {PASSWORD}\n"
    ran = ctl(world, "user", "import", "-", stdin=lines, code=1)
    assert "3" in ran.stderr and "4" in ran.stderr
    assert "imp-a@localhost" in ctl(world, "user", "list", "localhost").stdout
    assert "imp-c@second.test" in ctl(world, "user", "list", "second.test").stdout


async def test_sessions_are_listed_as_table_and_json_and_kicked(world):
    session = await world.login(world.account(), 1)
    bare, resource = session.jid.split("/")
    assert resource in ctl(world, "sessions", "list", bare).stdout
    rows = json.loads(ctl(world, "--json", "sessions", "list", bare).stdout)
    assert len(rows) == 1 and "c2s-2" in json.dumps(rows)
    assert bare in ctl(world, "sessions", "list").stdout
    ctl(world, "sessions", "kick", session.jid)
    await session.ended()
    assert resource not in ctl(world, "sessions", "list", bare).stdout


def test_members_lists_every_service(world):
    text = ctl(world, "members").stdout
    for name in ("c2s-1", "c2s-2", "router-1", "router-2", "roster-1"):
        assert name in text
    assert isinstance(json.loads(ctl(world, "--json", "members").stdout), list)


def test_mistakes_get_usage_and_exit_codes(world):
    ctl(world, "user", "add", "no-domain", "--password", "x", code=1)
    ctl(world, "user", "add", "x@unserved.test", "--password", "x", code=1)
    ctl(world, "frobnicate", code=2)
    ran = ctl(world, "--roster", "127.0.0.1:1", "user", "list", "localhost", code=3)
    assert "127.0.0.1:1" in ran.stderr
