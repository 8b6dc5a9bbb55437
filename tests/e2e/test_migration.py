"""Accounts that come from ejabberd and Prosody, whole. `exports/` is what their own tools wrote (ejabberd 23.01's
export_piefxis, Prosody 0.12.3's migrator to xep0227), of the same three users."""

import os
import re
import stat
from pathlib import Path

import pytest

from conftest import World, start_cluster
from rawxmpp import Raw, is_presence
from test_clients_slixmpp import SECONDS, online
from test_parleyctl import ctl

EXPORTS = Path(__file__).resolve().parent / "exports"
EJABBERD = EXPORTS / "ejabberd" / "20261126-004954.xml"
PASSWORDS = {"juliet": "wherefore art", "romeo": "rpass", "tybalt": "tpass"}


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    cluster = start_cluster(tmp_path_factory.mktemp("moved"))
    yield World(cluster)
    cluster.down()


@pytest.fixture
def empty(moved):
    for user in PASSWORDS:
        moved.cluster.ctl("user", "del", f"{user}@localhost")
    return moved


async def login(world, user):
    return await Raw.login(world.edges[0]["xmpp"], f"{user}@localhost", PASSWORDS[user], world.context)


def import_both_ways(world, path):
    first = ctl(world, "import", str(path))
    assert "created 3, existed already 0, failed 0" in first.stdout, first.stdout
    again = ctl(world, "import", str(path))
    assert "created 0, existed already 3, failed 0" in again.stdout, again.stdout


@pytest.mark.parametrize("path", [EJABBERD, EXPORTS / "prosody"], ids=["ejabberd", "prosody"])
async def test_users_of_another_server_find_what_they_left(empty, path):
    import_both_ways(empty, path)
    juliet = await login(empty, "juliet")
    roster = await juliet.roster()
    assert {jid: item.get("subscription") for jid, item in roster.items()} == {
        "romeo@localhost": "both", "nurse@elsewhere.example": "none",
    }
    assert roster["romeo@localhost"].get("name") == "Romeo & Co"
    assert {group.text for group in roster["romeo@localhost"]} == {"Friends", "Verona"}
    await juliet.available()
    request = await juliet.until(lambda e: e.get("type") == "subscribe")
    assert request.get("from") == "tybalt@localhost"
    tybalt = await login(empty, "tybalt")
    assert (await tybalt.roster())["juliet@localhost"].get("ask") == "subscribe"
    await juliet.presence(type="subscribed", to="tybalt@localhost")
    await tybalt.until(lambda e: e.get("type") == "subscribed")
    romeo = await login(empty, "romeo")
    await romeo.roster()
    await romeo.available()
    await romeo.until(lambda e: e.get("from") == juliet.jid)


async def test_offline_messages_come_with_their_time(empty):
    import_both_ways(empty, EJABBERD)
    juliet = await login(empty, "juliet")
    await juliet.available()
    texts, stamps = [], []
    for _ in range(2):
        message = await juliet.until(lambda e: e.tag.endswith("}message"))
        texts.append(message.find("{jabber:client}body").text)
        stamps.append([delay.get("stamp") for delay in message.findall("{urn:xmpp:delay}delay")])
    assert texts == ["while you <were> away", "second"]
    assert [len(each) for each in stamps] == [1, 1] and stamps[0][0].startswith("2026-11-26T00:49:35")


@pytest.mark.parametrize("path", [EJABBERD, EXPORTS / "prosody"], ids=["ejabberd", "prosody"])
async def test_old_password_fits_the_old_keys(empty, path, monkeypatch):
    import_both_ways(empty, path)
    monkeypatch.setattr("test_clients_slixmpp.PASSWORD", PASSWORDS["juliet"])
    async with online(empty, "juliet@localhost", mechanism="SCRAM-SHA-1-PLUS") as juliet:
        assert await juliet.get_roster(timeout=SECONDS)


def exported(world, *arguments):
    return ctl(world, *arguments).stdout


async def test_export_holds_all_and_comes_back_the_same(empty):
    import_both_ways(empty, EJABBERD)
    whole = exported(empty, "export", "localhost")
    one = exported(empty, "user", "export", "juliet@localhost")
    for text in (whole, one):
        for part in ("Romeo &amp; Co", "nurse@elsewhere.example", "let me in", "second", "scram-credentials", "<delay"):
            assert part in text
    assert "user name='romeo'" in whole and "user name='romeo'" not in one
    ctl(empty, "user", "del", "juliet@localhost")
    ctl(empty, "user", "export", "juliet@localhost", code=1)
    assert "created 1, existed already 0" in ctl(empty, "import", "-", stdin=one).stdout
    assert exported(empty, "user", "export", "juliet@localhost") == one
    await (await login(empty, "juliet")).close()


def test_export_that_fails_leaves_the_file_that_was_there(empty, tmp_path):
    file = tmp_path / "nobody.xml"
    file.write_text("an older export")
    ctl(empty, "user", "export", "nobody@localhost", str(file), code=1)
    assert file.read_text() == "an older export" and os.listdir(tmp_path) == [file.name]


def test_export_replaces_a_file_that_only_its_owner_may_read(empty, tmp_path):
    ctl(empty, "import", str(EJABBERD))
    file, link = tmp_path / "juliet.xml", tmp_path / "latest.xml"
    file.write_text("an older export")
    link.symlink_to(file)
    ctl(empty, "user", "export", "juliet@localhost", str(link))
    assert file.read_text() == exported(empty, "user", "export", "juliet@localhost")
    assert link.is_symlink() and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == [file.name, link.name]
    assert exported(empty, "user", "export", "juliet@localhost", "/dev/stdout") == file.read_text()


def test_import_says_what_it_cannot_take_and_goes_on(empty):
    text = """<server-data xmlns='urn:xmpp:pie:0'>
      <host jid='localhost'>
        <user name='no-password'/>
        <user name='romeo' password='rpass'><vCard xmlns='vcard-temp'/><query xmlns='jabber:iq:roster'>
          <item jid='not a jid@' subscription='both'/><item jid='Nurse@Elsewhere.example' subscription='to'/></query></user>
      </host>
      <host jid='unserved.test'><user name='a' password='b'/></host></server-data>"""
    ran = ctl(empty, "import", "-", stdin=text, code=1)
    assert "no-password@localhost" in ran.stderr and "a@unserved.test" in ran.stderr
    assert "created 1" in ran.stdout and "1 contacts" in ran.stdout and "not kept" in ran.stdout
    assert re.search(r"nurse@elsewhere\.example' subscription='to'", exported(empty, "user", "export", "romeo@localhost"))


@pytest.mark.parametrize("text", [
    "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='x'></host></server-data>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]><server-data xmlns='urn:xmpp:pie:0'/>",
    "<something/>",
    "<server-data xmlns='urn:xmpp:pie:0' xmlns:i='http://www.w3.org/2001/XInclude'><i:include href='/etc/passwd'/></server-data>",
])
def test_what_is_no_server_data_is_refused_with_its_place(empty, text):
    assert "line 1" in ctl(empty, "import", "-", stdin=text, code=1).stderr


async def test_probe_of_an_offline_contact_that_knows_no_subscription_ends_it(world, tmp_path):
    """RFC 6121 4.3.2. As after an import of one side only: the user's roster says "both", the contact's nothing."""
    contacts = world.accounts(2)
    items = "".join(f"<item jid='{jid}' subscription='{kind}'/>" for jid, kind in zip(contacts, ("both", "to")))
    file = tmp_path / "one side.xml"
    file.write_text(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='one-sided' password='correct horse'>"
        f"<query xmlns='jabber:iq:roster'>{items}</query></user></host></server-data>"
    )
    imported = world.cluster.ctl("import", str(file))
    assert "created 1" in imported.stdout, imported.stdout + imported.stderr
    user = await world.login("one-sided@localhost")
    left = {}
    while len(left) < 2:
        gone = await user.until(lambda e: is_presence(e) and e.get("type") == "unsubscribed")
        assert gone.get("to") in ("one-sided@localhost", user.jid)
        left[gone.get("from")] = True
    assert set(left) == set(contacts)
    subscriptions = {jid: item.get("subscription") for jid, item in (await user.roster()).items()}
    assert subscriptions == dict(zip(contacts, ("from", "none")))
