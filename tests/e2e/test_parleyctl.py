"""parleyctl as an operator uses it, against the running cluster."""

import asyncio
import json

import pytest
import redis

from conftest import PASSWORD
from managed import managed
from rawxmpp import condition, is_presence


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


async def test_it_says_its_release(world):
    release = world.cluster.http("c2s-1", "/metrics")[1].split('parley_build_info{version="')[1].split('"')[0]
    assert ctl(world, "--version").stdout == f"parleyctl {release}\n"


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


def keys_naming(world, jid):
    """What Redis keeps of an account for longer than a while: its own keys, and its places in others."""
    with redis.Redis(port=world.cluster.redis().port, decode_responses=True) as store:
        kept = []
        for key in store.scan_iter():
            if jid in key and store.ttl(key) == -1:
                kept.append(key)
            elif key.startswith("parley:n:"):
                kept += [(key, member) for member in store.sscan_iter(key) if jid in member]
        return kept


async def test_deleted_user_leaves_nothing_in_redis(world):
    """Though it had every kind of session: connected, with a queue, gone for a moment, ended."""
    jid = "ctl-carol@localhost"
    ctl(world, "user", "add", jid, "--password", PASSWORD)
    sender = await world.login(world.account())
    plain = await world.login(jid, 0, "plain")
    ended = await managed(world, jid, 0, "ended")
    await ended.close()
    queued, away = await managed(world, jid, 1, "queued"), await managed(world, jid, 1, "away")
    for resource in ("plain", "queued", "away"):
        await sender.message(f"{jid}/{resource}", "not acknowledged")
    await sender.presence(type="subscribe", to=jid)
    await sender.sync()
    away.abort()
    assert keys_naming(world, jid)
    ctl(world, "user", "del", jid)
    for session in (plain, queued):
        assert condition((await session.ended())[-1]) == "not-authorized"
    await eventually(lambda: not keys_naming(world, jid), lambda: keys_naming(world, jid))
    # Its name is free, and what was the other's is not the new one's.
    ctl(world, "user", "add", jid, "--password", PASSWORD)
    again = await world.login(jid)
    assert not [element for element in await again.sync() if not is_presence(element)]
    ctl(world, "user", "del", jid)


async def eventually(condition, shown, seconds=20):
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, shown()
        await asyncio.sleep(0.1)


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
    assert (rows[0]["available"], rows[0]["priority"]) == (True, 0)
    unavailable = await world.login(world.account(), available=False)
    [row] = json.loads(ctl(world, "--json", "sessions", "list", unavailable.jid.split("/")[0]).stdout)
    assert not row["available"]
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
