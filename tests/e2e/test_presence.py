"""RFC 6121 section 4 through a cluster."""

from rawxmpp import CLIENT, condition, is_message, is_presence, body


async def test_initial_presence_brings_the_contacts_and_own_resources(world):
    romeo, juliet = await world.friends()
    tablet = await world.login(romeo.jid.split("/")[0], 1, "tablet")
    seen = {tablet.jid}
    while not {juliet.jid, romeo.jid} <= seen:
        seen.add((await tablet.until(is_presence)).get("from"))
    assert (await juliet.until(is_presence)).get("from") == tablet.jid
    assert (await romeo.until(is_presence)).get("from") == tablet.jid


async def test_unavailable_is_seen_once_however_the_session_ends(world):
    for ending in ("presence", "close", "abort", "kick"):
        romeo, juliet = await world.friends()
        if ending == "presence":
            await romeo.presence("<status>gone</status>", type="unavailable")
        elif ending == "close":
            await romeo.close()
        elif ending == "abort":
            romeo.abort()
        else:
            assert world.cluster.ctl("sessions", "kick", romeo.jid).returncode == 0
        gone = await juliet.until(is_presence)
        assert (gone.get("from"), gone.get("type")) == (romeo.jid, "unavailable"), ending
        if ending == "presence":
            assert gone.findtext(f"{{{CLIENT}}}status") == "gone"
            await romeo.close()
        probe = await world.login(romeo.jid.split("/")[0], 0, "probe")
        came = await juliet.until(is_presence)
        assert (came.get("from"), came.get("type")) == (probe.jid, None), f"{ending}: unavailable came twice"


async def test_capabilities_go_along_and_can_be_asked_for(world):
    """XEP-0115: the server passes them on, also to who comes later, and the questions that follow from them."""
    romeo, juliet = await world.friends()
    caps = "{http://jabber.org/protocol/caps}c"
    said = {"hash": "sha-1", "node": "urn:example:client", "ver": "QgayPKawpkPSDYmwT/WM94uAlu0="}
    written = " ".join(f"{key}='{value}'" for key, value in said.items())
    await romeo.presence(f"<c xmlns='http://jabber.org/protocol/caps' {written}/>")
    assert (await juliet.until(lambda e: e.get("from") == romeo.jid)).find(caps).attrib == said
    late = await world.login(juliet.jid.split("/")[0], 0)
    seen = await late.until(lambda e: is_presence(e) and e.get("from") == romeo.jid)
    assert seen.find(caps).attrib == said
    node = f"{said['node']}#{said['ver']}"
    await late.send(
        f"<iq type='get' id='d' to='{romeo.jid}'><query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/></iq>"
    )
    asked = await romeo.until(lambda e: e.get("id") == "d")
    assert asked[0].get("node") == node
    await romeo.send(
        f"<iq type='result' id='d' to='{asked.get('from')}'><query xmlns='http://jabber.org/protocol/disco#info' "
        f"node='{node}'><feature var='urn:example:feature'/></query></iq>"
    )
    assert (await late.until(lambda e: e.get("id") == "d"))[0][0].get("var") == "urn:example:feature"


async def test_directed_presence_reaches_a_stranger_and_ends_with_the_session(world):
    romeo, juliet = await world.pair()
    await romeo.presence("<status>psst</status>", to=juliet.jid)
    assert (await juliet.until(is_presence)).findtext(f"{{{CLIENT}}}status") == "psst"
    await romeo.presence("<status>for friends only</status>")
    await romeo.sync()
    romeo.abort()
    gone = await juliet.until(is_presence)
    assert (gone.get("from"), gone.get("type")) == (romeo.jid, "unavailable")


async def test_stranger_sees_no_presence_and_probe_tells_nothing(world):
    romeo, juliet = await world.pair()
    await romeo.presence(type="probe", to=juliet.jid.split("/")[0])
    seen = [e for e in await romeo.sync() if is_presence(e)]
    assert all(e.get("type") in ("unsubscribed", "unavailable") for e in seen)
    await juliet.presence("<status>private</status>")
    await juliet.sync()
    assert not [e for e in await romeo.sync() if e.get("type") is None and is_presence(e) and e.get("from") == juliet.jid]


async def test_negative_priority_gets_no_messages_until_raised(world):
    romeo, juliet_jid = await world.login(world.account()), world.account()
    juliet = await world.login(juliet_jid, 1, available=False)
    await juliet.available(-5)
    await romeo.message(juliet_jid, "for later")
    await romeo.sync()
    assert not [e for e in await juliet.sync() if is_message(e)]
    await juliet.presence("<priority>0</priority>")
    assert body(await juliet.until(is_message)) == "for later"


async def test_bad_presence_is_answered_with_an_error(world):
    romeo = await world.login(world.account())
    await romeo.send("<presence type='nonsense' id='p1'/>")
    assert condition(await romeo.until(lambda e: e.get("id") == "p1")) == "bad-request"
    await romeo.send("<presence id='p2'><priority>300</priority></presence>")
    assert {condition(e) for e in await romeo.sync() if e.get("type") == "error"} <= {"bad-request"}


async def test_own_resources_see_each_other_come_and_go(world):
    jid = world.account()
    phone = await world.login(jid, 0, "phone")
    laptop = await world.login(jid, 1, "laptop")
    assert (await phone.until(is_presence)).get("from") == laptop.jid
    await laptop.close()
    gone = await phone.until(is_presence)
    assert (gone.get("from"), gone.get("type")) == (laptop.jid, "unavailable")


async def test_new_session_with_same_resource_replaces_the_old(world):
    jid = world.account()
    old = await world.login(jid, 0, "same")
    new = await world.login(jid, 1, "same")
    ended = await old.ended()
    assert condition(ended[-1]) == "conflict"
    assert new.jid == old.jid
    assert await new.sync() == []
