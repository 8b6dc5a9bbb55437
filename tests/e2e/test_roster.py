"""RFC 6121 section 2 (rosters) and section 3 (subscriptions) through a cluster: pushes reach every interested resource on
whichever edge it is, and what one session does the other sees."""

import pytest

from rawxmpp import CLIENT, ROSTER, condition, is_presence


def item_of(push):
    return push.find(f"{{{ROSTER}}}query/{{{ROSTER}}}item")


def is_push(element):
    return element.tag == f"{{{CLIENT}}}iq" and element.get("type") == "set" and item_of(element) is not None


def groups(item):
    return sorted(group.text for group in item.iter(f"{{{ROSTER}}}group"))


def query(items, extra=""):
    return f"<query xmlns='{ROSTER}'{extra}>{items}</query>"


async def test_set_is_pushed_to_all_interested_sessions_of_the_account_only(world):
    jid = world.account()
    phone, laptop = await world.login(jid, 0), await world.login(jid, 1)
    bystander = await world.login(jid, 1, available=False)
    await bystander.available()
    for one in (phone, laptop, bystander):
        await one.sync()
    answer = await phone.iq("set", query("<item jid='nurse@localhost' name='Nurse'><group>Servants</group></item>"))
    assert answer.get("type") == "result"
    for one in (phone, laptop):
        push = await one.until(is_push)
        item = item_of(push)
        assert (item.get("jid"), item.get("name"), item.get("subscription"), groups(item)) == (
            "nurse@localhost", "Nurse", "none", ["Servants"],
        )
        assert push.get("from") in (None, jid)
        await one.send(f"<iq type='result' id='{push.get('id')}'/>")
    assert not [e for e in await bystander.sync() if is_push(e)]
    assert (await laptop.roster())["nurse@localhost"].get("name") == "Nurse"
    await laptop.iq("set", query("<item jid='nurse@localhost' subscription='remove'/>"))
    assert item_of(await phone.until(is_push)).get("subscription") == "remove"
    assert await phone.roster() == {}


@pytest.mark.parametrize(
    "items,wanted",
    [
        ("", "bad-request"),
        ("<item jid='a@localhost'/><item jid='b@localhost'/>", "bad-request"),
        ("<item name='no jid'/>", "bad-request"),
        ("<item jid='@localhost'/>", ("bad-request", "jid-malformed")),
        ("<item jid='a@localhost'><group/></item>", "not-acceptable"),
        ("<item jid='a@localhost'><group>x</group><group>x</group></item>", "bad-request"),
        (f"<item jid='a@localhost' name='{'n' * 5000}'/>", "not-acceptable"),
        (f"<item jid='a@localhost'><group>{'g' * 5000}</group></item>", "not-acceptable"),
        ("<item jid='absent@localhost' subscription='remove'/>", "item-not-found"),
    ],
)
async def test_bad_roster_set_is_refused(world, items, wanted):
    session = await world.login(world.account())
    answer = await session.iq("set", query(items))
    assert condition(answer) in (wanted if isinstance(wanted, tuple) else (wanted,))


async def test_other_peoples_rosters_are_out_of_reach(world):
    romeo, juliet = await world.pair()
    for kind, payload in (("get", query("")), ("set", query("<item jid='evil@localhost'/>"))):
        answer = await romeo.iq(kind, payload, to=juliet.jid.split("/")[0])
        assert condition(answer) in ("forbidden", "service-unavailable", "not-allowed")
    assert await juliet.roster() == {}


async def test_client_cannot_forge_a_subscription_by_roster_set(world):
    session = await world.login(world.account())
    await session.iq("set", query("<item jid='x@localhost' subscription='both' ask='subscribe' approved='true'/>"))
    item = (await session.roster())["x@localhost"]
    assert (item.get("subscription"), item.get("ask"), item.get("approved")) == ("none", None, None)


async def test_versioning_sends_nothing_when_nothing_changed(world):
    session = await world.login(world.account())
    first = await session.iq("get", query("", " ver=''"))
    version = first.find(f"{{{ROSTER}}}query").get("ver")
    assert version is not None
    same = await session.iq("get", query("", f" ver='{version}'"))
    assert same.find(f"{{{ROSTER}}}query") is None
    await session.iq("set", query("<item jid='tybalt@localhost'/>"))
    push = await session.until(is_push)
    pushed = push.find(f"{{{ROSTER}}}query").get("ver")
    assert pushed not in (None, version)
    changed = await session.iq("get", query("", f" ver='{version}'"))
    later = [item_of(e).get("jid") for e in await session.sync() if is_push(e)]
    listed = [item.get("jid") for item in changed.iter(f"{{{ROSTER}}}item")]
    assert "tybalt@localhost" in later + listed
    assert (await session.iq("get", query("", f" ver='{pushed}'"))).find(f"{{{ROSTER}}}query") is None


async def test_versioning_pushes_what_changed_meanwhile(world):
    """RFC 6121 2.6.3: an empty result, then the interim pushes, in order, to this session alone."""
    jid = world.account()
    session, other = await world.login(jid), await world.login(jid, 1)
    await session.iq("set", query("<item jid='old@localhost'/>"))
    version = (await session.iq("get", query("", " ver=''"))).find(f"{{{ROSTER}}}query").get("ver")
    for item in ("jid='new@localhost' name='N'", "jid='old@localhost' subscription='remove'", "jid='new@localhost'"):
        await session.iq("set", query(f"<item {item}/>"))
    last = (await session.iq("get", query("", " ver=''"))).find(f"{{{ROSTER}}}query").get("ver")
    await session.sync(), await other.sync()
    again = await world.login(jid, 1, available=False)
    assert (await again.iq("get", query("", f" ver='{version}'"))).find(f"{{{ROSTER}}}query") is None
    pushes = [e for e in await again.sync() if is_push(e)]
    assert [item_of(e).get("jid") for e in pushes] == ["old@localhost", "new@localhost"]
    assert [item_of(e).get("subscription") for e in pushes] == ["remove", "none"]
    assert item_of(pushes[-1]).get("name") is None
    assert pushes[-1].find(f"{{{ROSTER}}}query").get("ver") == last
    assert [e for e in await session.sync() + await other.sync() if is_push(e)] == []


async def test_subscription_life_cycle_with_pushes_on_both_sides(world):
    romeo, juliet = await world.pair()
    romeo_bare, juliet_bare = romeo.jid.split("/")[0], juliet.jid.split("/")[0]
    await romeo.presence(type="subscribe", to=juliet_bare)
    item = item_of(await romeo.until(is_push))
    assert (item.get("jid"), item.get("subscription"), item.get("ask")) == (juliet_bare, "none", "subscribe")
    request = await juliet.until(is_presence)
    assert (request.get("type"), request.get("from")) == ("subscribe", romeo_bare)
    assert await juliet.roster() == {}, "a pending request is no roster item (RFC 6121 3.1.3)"

    await juliet.presence(type="subscribed", to=romeo_bare)
    assert item_of(await juliet.until(is_push)).get("subscription") == "from"
    seen = [await romeo.receive() for _ in range(3)]
    push = next(e for e in seen if is_push(e))
    assert (item_of(push).get("subscription"), item_of(push).get("ask")) == ("to", None)
    assert {e.get("type") for e in seen if is_presence(e)} == {"subscribed", None}

    await juliet.presence(type="subscribe", to=romeo_bare)
    await romeo.until(lambda e: e.get("type") == "subscribe")
    await romeo.presence(type="subscribed", to=juliet_bare)
    await juliet.until(lambda e: is_push(e) and item_of(e).get("subscription") == "both")
    await juliet.until(lambda e: is_presence(e) and e.get("from") == romeo.jid)
    await romeo.sync()

    await romeo.presence(type="unsubscribe", to=juliet_bare)
    await romeo.until(lambda e: is_push(e) and item_of(e).get("subscription") == "from")
    await juliet.until(lambda e: e.get("type") == "unsubscribe")
    await juliet.until(lambda e: is_push(e) and item_of(e).get("subscription") == "to")
    await romeo.until(lambda e: e.get("type") == "unavailable" and e.get("from") == juliet.jid)

    await romeo.presence(type="unsubscribed", to=juliet_bare)
    # RFC 6121 3.2.2: while still subscribed
    gone = await juliet.until(lambda e: e.get("type") in ("unavailable", "unsubscribed"))
    assert (gone.get("type"), gone.get("from")) == ("unavailable", romeo.jid)
    await juliet.until(lambda e: e.get("type") == "unsubscribed")
    assert (await juliet.roster())[romeo_bare].get("subscription") == "none"
    assert (await romeo.roster())[juliet_bare].get("subscription") == "none"


async def test_request_waits_for_each_login_until_answered(world):
    romeo_jid, juliet_jid = world.accounts(2)
    romeo = await world.login(romeo_jid)
    await romeo.presence("<status>let me in</status>", type="subscribe", to=juliet_jid)
    await romeo.sync()
    for edge in (0, 1):
        juliet = await world.login(juliet_jid, edge, available=False)
        await juliet.presence()
        request = await juliet.until(lambda e: e.get("type") == "subscribe")
        assert (request.get("from"), request.findtext(f"{{{CLIENT}}}status")) == (romeo_jid, "let me in")
        await juliet.close()
    juliet = await world.login(juliet_jid)
    await juliet.presence(type="unsubscribed", to=romeo_jid)
    await romeo.until(lambda e: e.get("type") == "unsubscribed")
    await juliet.close()
    juliet = await world.login(juliet_jid)
    assert not [e for e in await juliet.sync() if e.get("type") == "subscribe"]


async def test_pre_approval_answers_for_the_user(world):
    romeo, juliet = await world.pair()
    romeo_bare, juliet_bare = romeo.jid.split("/")[0], juliet.jid.split("/")[0]
    await juliet.presence(type="subscribed", to=romeo_bare)
    assert item_of(await juliet.until(is_push)).get("approved") == "true"
    await romeo.presence(type="subscribe", to=juliet_bare)
    await romeo.until(lambda e: e.get("type") == "subscribed")
    push = await juliet.until(is_push)
    assert item_of(push).get("subscription") == "from"
    assert not [e for e in await juliet.sync() if e.get("type") == "subscribe"]


async def test_removing_a_contact_ends_both_subscriptions(world):
    romeo, juliet = await world.friends()
    romeo_bare, juliet_bare = romeo.jid.split("/")[0], juliet.jid.split("/")[0]
    await romeo.iq("set", query(f"<item jid='{juliet_bare}' subscription='remove'/>"))
    kinds = set()
    while kinds < {"unsubscribe", "unsubscribed", "unavailable"}:
        element = await juliet.until(is_presence)
        kinds.add(element.get("type"))
    assert (await juliet.roster())[romeo_bare].get("subscription") == "none"
    await romeo.until(lambda e: e.get("type") == "unavailable" and e.get("from") == juliet.jid)
