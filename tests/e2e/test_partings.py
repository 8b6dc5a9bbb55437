"""What happens at the same moment on two edges, and what a client says just before it goes."""

import asyncio

import pytest

from rawxmpp import BIND, CLIENT, PING, ROSTER, SASL, SM, Raw, body, condition, is_message, is_presence


@pytest.mark.parametrize("farewell", ["</stream:stream>", ""])
async def test_what_was_said_before_the_connection_closed_is_delivered(world, farewell):
    """Scripts send presence, messages and </stream:stream> in one write and are gone. Messages wait for presence to keep
    their order: they must not be lost for it."""
    romeo, juliet = await world.pair()
    said = "".join(f"<message to='{juliet.jid}'><body>{n}</body></message><presence/>" for n in range(8))
    await romeo.send(said + farewell)
    romeo.writer.close()
    assert [body(await juliet.until(is_message)) for _ in range(8)] == [str(n) for n in range(8)]


async def test_what_was_asked_before_the_stream_was_closed_is_answered(world):
    """RFC 6120 4.4: who has said all still hears until the other side closes, too."""
    romeo = await world.login(world.account())
    nobody = f"<message id='m' to='{world.account()}/nowhere' type='groupchat'><body>x</body></message>"
    await romeo.send(f"<iq type='get' id='i'><query xmlns='{ROSTER}'/></iq>{nobody}</stream:stream>")
    heard = {e.get("id"): e.get("type") for e in await romeo.ended() if e.get("id")}
    assert heard == {"i": "result", "m": "error"}
    assert romeo.parser.closed


async def test_of_two_that_bind_one_resource_at_once_one_has_it(world):
    for _ in range(5):
        jid = world.account()
        both = [await logged_in(world, jid, edge) for edge in (0, 1)]
        bind = f"<iq type='set' id='b'><bind xmlns='{BIND}'><resource>same</resource></bind></iq><presence/>"
        await asyncio.gather(*(one.send(bind) for one in both))
        ends = [asyncio.create_task(one.ended()) for one in both]
        done, left = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert [condition(task.result()[-1]) for task in done] == ["conflict"]
        for task in left:
            task.cancel()
        await asyncio.wait(left)
        (winner,) = (one for one, task in zip(both, ends) if task in left)
        sender = await world.login(world.account())
        await sender.message(f"{jid}/same", "for the one who has it")
        assert body(await winner.until(is_message)) == "for the one who has it"


async def logged_in(world, jid, edge):
    raw = await Raw.connect(world.edges[edge]["xmpp"], "localhost")
    await raw.open()
    await raw.starttls(world.context)
    await raw.open()
    assert (await raw.plain(jid.split("@")[0], "correct horse")).tag == f"{{{SASL}}}success"
    await raw.open()
    return raw


async def test_removed_contact_sees_the_user_go_before_it_hears_that_it_is_cancelled(world):
    """RFC 6121 3.2.2: unavailable while still subscribed."""
    romeo, juliet = await world.friends()
    await romeo.iq("set", f"<query xmlns='{ROSTER}'><item jid='{juliet.jid.split('/')[0]}' subscription='remove'/></query>")
    kinds = [(await juliet.until(is_presence)).get("type") for _ in range(3)]
    assert kinds == ["unsubscribe", "unavailable", "unsubscribed"]


async def test_request_of_a_contact_that_is_removed_still_waits_for_its_answer(world):
    """RFC 6121 3.1.3: at each login, until it is approved or denied."""
    romeo_jid, juliet_jid = world.accounts(2)
    romeo, juliet = await world.login(romeo_jid), await world.login(juliet_jid, 1)
    await romeo.presence(type="subscribe", to=juliet_jid)
    await juliet.until(lambda e: e.get("type") == "subscribe")
    for change in ("name='R.'", "subscription='remove'"):
        await juliet.iq("set", f"<query xmlns='{ROSTER}'><item jid='{romeo_jid}' {change}/></query>")
    again = await world.login(juliet_jid, 0, available=False)
    await again.presence()
    request = await again.until(lambda e: e.get("type") == "subscribe")
    assert request.get("from") == romeo_jid


async def test_addresses_arrive_as_the_server_prepares_them(world):
    """RFC 7622 section 4."""
    romeo, juliet = await world.pair()
    bare, resource = juliet.jid.split("/")
    await romeo.message(f"{bare.upper()}./{resource}", "hello")
    assert (await juliet.until(is_message)).get("to") == juliet.jid
    await romeo.presence(type="subscribe", to=bare.upper())
    assert (await juliet.until(is_presence)).get("to") == bare


async def test_nobody_has_a_roster_that_could_be_forbidden(world):
    """RFC 6121 8.5.1: who does not exist is unavailable, whatever is asked."""
    romeo = await world.login(world.account())
    for kind in ("get", "set"):
        answer = await romeo.iq(kind, f"<query xmlns='{ROSTER}'/>", to="nobody-at-all@localhost")
        assert condition(answer) == "service-unavailable"
        answer = await romeo.iq(kind, f"<query xmlns='{ROSTER}'/>", to=world.account())
        assert condition(answer) == "forbidden"


async def test_presence_with_an_empty_type_is_an_error(world):
    romeo, juliet = await world.friends()
    await romeo.send("<presence type='' id='p'/>")
    assert condition(await romeo.until(lambda e: e.get("id") == "p")) == "bad-request"
    await romeo.presence("<status>next</status>")
    assert (await juliet.until(is_presence)).findtext(f"{{{CLIENT}}}status") == "next"


async def test_directed_presence_to_long_addresses_costs_the_cluster_little(world):
    """The list is written with each change: its size is limited, not only its length."""
    romeo = await world.login(world.account())
    long = "x" * 1000
    await romeo.send("".join(f"<presence id='{n}' to='{long}{n}@localhost/{long}'/>" for n in range(100)))
    refused = await romeo.until(lambda e: e.get("type") == "error")
    assert condition(refused) == "resource-constraint" and int(refused.get("id")) > 10
    await romeo.iq("get", f"<ping xmlns='{PING}'/>")


@pytest.mark.parametrize("managed", [False, True])
async def test_request_to_a_client_that_goes_without_an_answer_is_answered(world, managed):
    """RFC 6120 8.2.3: exactly once, also if the client that has it never does."""
    romeo, juliet = await world.pair()
    if managed:
        await juliet.send(f"<enable xmlns='{SM}'/>")
        await juliet.until(lambda e: e.tag == f"{{{SM}}}enabled")
    await romeo.send("".join(f"<iq type='get' id='{n}' to='{juliet.jid}'><q xmlns='a:b'/></iq>" for n in range(3)))
    for _ in range(3):
        await juliet.until(lambda e: e.tag == f"{{{CLIENT}}}iq")
    await juliet.send(f"<iq type='result' id='1' to='{romeo.jid}'/>")
    if managed:
        await juliet.send(f"<a xmlns='{SM}' h='1'/>")
    await juliet.sync()
    juliet.abort()
    answers = [await romeo.until(lambda e: e.tag == f"{{{CLIENT}}}iq") for _ in range(3)]
    assert [(a.get("id"), condition(a)) for a in answers[:1]] == [("1", None)]
    assert {(a.get("id"), condition(a)) for a in answers[1:]} == {(n, "service-unavailable") for n in "02"}
    assert [a for a in await romeo.sync() if a.tag == f"{{{CLIENT}}}iq"] == []
