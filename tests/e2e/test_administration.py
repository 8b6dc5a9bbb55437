"""XEP-0133 with slixmpp's ad-hoc commands."""

import pytest
from slixmpp.exceptions import IqError

from conftest import PASSWORD
from rawxmpp import body, condition, is_message
from test_clients_slixmpp import online
from test_parleyctl import ctl

ADMIN = "admin@localhost"
NODE = "http://jabber.org/protocol/admin#"


@pytest.fixture(scope="module")
def administered(world):
    ctl(world, "user", "add", ADMIN, "--password", PASSWORD)
    return world


async def start(client, command):
    for plugin in ("xep_0004", "xep_0050"):
        client.register_plugin(plugin)
    return await client["xep_0050"].send_command("localhost", NODE + command, action="execute")


async def run(client, command, **values):
    """The answer to the form with these values; lists become several."""
    stage = await start(client, command)
    assert stage["command"]["status"] == "executing"
    form = client["xep_0004"].make_form(ftype="submit")
    form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/admin")
    for var, value in values.items():
        form.add_field(var=var.replace("_", "-"), ftype="text-multi" if isinstance(value, list) else None, value=value)
    return await client["xep_0050"].send_command(
        "localhost", NODE + command, action="complete", payload=form, sessionid=stage["command"]["sessionid"]
    )


def note(answer):
    assert answer["command"]["status"] == "completed"
    return " ".join(text for _, text in answer["command"]["notes"])


def result(answer):
    assert answer["command"]["status"] == "completed"
    return answer["command"]["form"].get_values()


async def test_administrator_finds_the_commands_and_nobody_else_does(administered):
    async with online(administered, ADMIN) as admin, online(administered, administered.account()) as user:
        items = await admin["xep_0030"].get_items("localhost", node="http://jabber.org/protocol/commands")
        nodes = {item[1] for item in items["disco_items"]["items"]}
        assert {NODE + name for name in ("add-user", "delete-user", "end-user-session", "user-stats")} <= nodes
        info = await admin["xep_0030"].get_info("localhost", node=NODE + "add-user")
        assert "jabber:x:data" in info["disco_info"]["features"]
        with pytest.raises(IqError) as refused:
            await user["xep_0030"].get_items("localhost", node="http://jabber.org/protocol/commands")
        assert refused.value.condition == "item-not-found"
        with pytest.raises(IqError) as refused:
            await start(user, "get-online-users-num")
        assert refused.value.condition == "forbidden"


async def test_account_is_added_changed_counted_and_deleted(administered):
    jid = "adhoc-ada@localhost"
    async with online(administered, ADMIN) as admin:
        before = int(result(await start(admin, "get-registered-users-num"))["registeredusersnum"])
        await run(admin, "add-user", accountjid=jid, password="first", password_verify="first")
        assert int(result(await start(admin, "get-registered-users-num"))["registeredusersnum"]) == before + 1
        with pytest.raises(IqError) as refused:
            await run(admin, "add-user", accountjid=jid, password="x", password_verify="x")
        assert refused.value.condition == "conflict"
        await run(admin, "change-user-password", accountjid=jid, password=PASSWORD)
        session = await administered.login(jid, 1)
        stats = result(await run(admin, "user-stats", accountjid=jid))
        assert (stats["rostersize"], stats["onlineresources"]) == ("0", "1")
        assert int(result(await start(admin, "get-online-users-num"))["onlineusersnum"]) >= 2
        assert "1" in note(await run(admin, "end-user-session", accountjids=[jid]))
        await session.ended()
        session = await administered.login(jid, 1)
        await run(admin, "delete-user", accountjids=[jid])
        assert condition((await session.ended())[-1]) == "not-authorized"
        assert jid not in ctl(administered, "user", "list", "localhost").stdout


async def test_announcement_goes_to_all_who_are_online_in_the_domain_and_to_nobody_else(administered):
    absent = administered.account()
    invisible = await administered.login(administered.account(), available=False)
    elsewhere = await administered.login(administered.account("second.test"))
    users = [await administered.login(administered.account(), edge) for edge in (0, 1)]
    users.append(await administered.login(users[0].jid.split("/")[0], 1))  # a second resource
    async with online(administered, ADMIN) as admin:
        count = int(note(await run(admin, "announce", announcement=["Down in <2> minutes.", "Sorry!"])).split()[-1])
        assert count >= 4, "the administrator, too"
        for user in users:
            message = await user.until(is_message)
            assert (message.get("from"), message.get("type")) == ("localhost", "headline")
            assert body(message) == "Down in <2> minutes.\nSorry!"
            assert not [element for element in await user.sync() if is_message(element)], "once"
        with pytest.raises(IqError) as refused:
            await run(admin, "announce", announcement=[])
        assert refused.value.condition == "bad-request"
    late = await administered.login(absent)
    for nobody in (late, invisible, elsewhere):
        assert not [element for element in await nobody.sync() if is_message(element)]
    for raw in (*users, invisible, elsewhere, late):
        await raw.close()


@pytest.mark.parametrize("command, values, expected", [
    ("add-user", {"accountjid": "x@second.test", "password": "a", "password_verify": "a"}, "not-acceptable"),
    ("add-user", {"accountjid": "x@localhost", "password": "a", "password_verify": "b"}, "not-acceptable"),
    ("delete-user", {"accountjids": ["nobody-there@localhost"]}, "item-not-found"),
    ("delete-user", {"accountjids": [ADMIN]}, "not-allowed"),
    ("end-user-session", {}, "bad-request"),
    ("no-such-command", None, "item-not-found"),
])
async def test_mistakes_get_errors(administered, command, values, expected):
    async with online(administered, ADMIN) as admin:
        with pytest.raises(IqError) as refused:
            if values is None:
                await start(admin, command)
            else:
                await run(admin, command, **values)
        assert refused.value.condition == expected


async def test_cancel_is_answered(administered):
    async with online(administered, ADMIN) as admin:
        stage = await start(admin, "add-user")
        answer = await admin["xep_0050"].send_command(
            "localhost", NODE + "add-user", action="cancel", sessionid=stage["command"]["sessionid"]
        )
        assert answer["command"]["status"] == "canceled"
