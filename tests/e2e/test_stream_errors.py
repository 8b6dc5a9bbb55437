"""Every stream error condition of RFC 6120 4.9.3 that a client can meet here, on a real cluster. PROTOCOLS.md, "Errors",
says which are never sent, and why; that list and these tests are together all there are."""

import asyncio
from pathlib import Path

import pytest

from managed import managed
from rawxmpp import CLIENT, PING, SASL, SM, STREAM_ERRORS, STREAMS, Raw, condition
from test_faults import in_thread

PROTOCOLS = (Path(__file__).resolve().parents[2] / "PROTOCOLS.md").read_text()

# RFC 6120 4.9.3.1 to 4.9.3.25
ALL = """bad-format bad-namespace-prefix conflict connection-timeout host-gone host-unknown improper-addressing
internal-server-error invalid-from invalid-namespace invalid-xml not-authorized not-well-formed policy-violation
remote-connection-failed reset resource-constraint restricted-xml see-other-host system-shutdown undefined-condition
unsupported-encoding unsupported-feature unsupported-stanza-type unsupported-version""".split()


def header(attributes="to='localhost' version='1.0'", ns=CLIENT, streams=STREAMS, name="stream:stream"):
    return f"<{name} xmlns='{ns}' xmlns:{name.split(':')[0]}='{streams}' {attributes}>"


# How far the client has come, what it sends then, and what it gets.
TABLE = [
    ("connected", header(name="stream:features"), "bad-format"),
    ("opened", "hello", "bad-format"),
    ("bound", "<presence/>hello", "bad-format"),
    ("bound", f"<enable xmlns='{SM}'/><a xmlns='{SM}' h='many'/>", "bad-format"),
    ("connected", header(name="foobar:stream"), "bad-namespace-prefix"),
    ("opened", "<a:b/>", "bad-namespace-prefix"),
    ("bound", "<message><a:b/></message>", "bad-namespace-prefix"),
    ("connected", header("to='elsewhere.example' version='1.0'"), "host-unknown"),
    ("connected", header("version='1.0'"), "improper-addressing"),
    ("connected", header("to='@localhost' version='1.0'"), "improper-addressing"),
    ("bound", "<message from='somebody@localhost'/>", "invalid-from"),
    ("bound", "<presence from='{bare}/another'/>", "invalid-from"),
    ("connected", header(streams="http://example.org/streams"), "invalid-namespace"),
    ("connected", header(ns="jabber:server"), "invalid-namespace"),
    ("opened", "<message to='somebody@localhost'/>", "not-authorized"),
    ("secured", "<presence/>", "not-authorized"),
    ("authenticated", "<message to='somebody@localhost'/>", "not-authorized"),
    ("connected", "GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    ("opened", "<a></b>", "not-well-formed"),
    ("bound", "<message id='1' id='2'/>", "not-well-formed"),
    ("opened", "<a b='" + "x" * 300000, "policy-violation"),
    ("bound", "<message><body>" + "x" * 2000000, "policy-violation"),
    ("bound", "<message>" + "<x>" * 3000, "policy-violation"),
    ("connected", "<!DOCTYPE a>", "restricted-xml"),
    ("opened", "<!-- a -->", "restricted-xml"),
    ("bound", "<?a b?>", "restricted-xml"),
    ("bound", "<message><body>&lol;</body></message>", "restricted-xml"),
    ("bound", f"<enable xmlns='{SM}'/><a xmlns='{SM}' h='1000'/>", "undefined-condition"),
    ("connected", "<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding"),
    ("bound", b"<message><body>\xc3\x28</body></message>", "unsupported-encoding"),
    ("bound", "<a xmlns='urn:b'/>", "unsupported-stanza-type"),
    ("authenticated", "<a xmlns='urn:b'/>", "unsupported-stanza-type"),
    ("connected", header("to='localhost'"), "unsupported-version"),
    ("connected", header("to='localhost' version='0.9'"), "unsupported-version"),
]  # fmt: skip
# By what others do, or do not: the tests below.
OTHERS = ["conflict", "connection-timeout", "resource-constraint", "see-other-host", "system-shutdown"]


def test_every_condition_is_provoked_or_named_as_never_sent():
    provoked = {wanted for _, _, wanted in TABLE} | set(OTHERS)
    line = next(line for line in PROTOCOLS.splitlines() if line.startswith("| stream errors"))
    never = {name for name in ALL if f"`{name}`:" in line or f"`{name}`," in line}
    assert provoked | never == set(ALL) and not provoked & never


async def reach(world, stage, edge):
    """A connection that has come so far."""
    if stage == "bound":
        return await world.login(world.account(), edge, available=False)
    if stage == "authenticated":
        return await Raw.authenticated(world.edges[edge]["xmpp"], world.account(), "correct horse", world.context)
    raw = await Raw.connect(world.edges[edge]["xmpp"], "localhost")
    if stage in ("opened", "secured"):
        await raw.open()
    if stage == "secured":
        await raw.starttls(world.context)
        await raw.open()
    return raw


async def ends_with(raw, wanted):
    """4.9.1: the error, once, with one condition in its namespace; then the end of the stream and of the connection."""
    seen = await raw.ended()
    error = seen[-1]
    assert error.tag == f"{{{STREAMS}}}error"
    assert [e.tag for e in seen].count(error.tag) == 1
    conditions = [e.tag for e in error if e.tag.startswith(f"{{{STREAM_ERRORS}}}") and not e.tag.endswith("}text")]
    assert conditions == [f"{{{STREAM_ERRORS}}}{wanted}"]
    assert raw.parser.closed, "</stream:stream> follows"
    # 4.9.1.2: also who could not open a stream gets one to be told in.
    assert raw.parser.header.get("id") and raw.parser.header.get("version") == "1.0"
    raw.writer.close()
    return error


@pytest.mark.parametrize("edge", [0, 1])
async def test_what_a_client_says_wrong(world, edge):
    bystander, friend = await world.pair()
    for stage, sent, wanted in TABLE:
        raw = await reach(world, stage, edge)
        if isinstance(sent, str):
            sent = sent.replace("{bare}", (raw.jid or "").split("/")[0])
        try:
            await raw.send(sent)
            await ends_with(raw, wanted)
        except (AssertionError, asyncio.TimeoutError, ConnectionError) as failed:
            raise AssertionError(f"{stage}: {sent[:80]!r}: {failed!r}") from None
        await bystander.message(friend.jid, wanted)
        assert (await friend.receive()).find(f"{{{CLIENT}}}body").text == wanted


async def test_conflict_is_for_who_had_the_resource(world):
    """RFC 6120 7.7.2.2, on two edges."""
    jid = world.account()
    first = await world.login(jid, 0, "desk")
    second = await world.login(jid, 1, "desk")
    await ends_with(first, "conflict")
    assert await second.sync() == []


async def test_connection_timeout_is_for_silence(own_cluster):
    world = own_cluster(
        counts={"c2s": 1, "router": 1},
        settings=["c2s.unauthenticated_timeout=2s", "c2s.idle_ping=2s", "c2s.idle_timeout=2s"],
    )
    opened, bound = await reach(world, "opened", 0), await reach(world, "bound", 0)
    await ends_with(opened, "connection-timeout")
    ping = await bound.receive()
    assert ping.find(f"{{{PING}}}ping") is not None
    await ends_with(bound, "connection-timeout")


async def test_resource_constraint_and_shutdown_are_the_clusters_own(own_cluster):
    world = own_cluster(
        counts={"router": 1}, settings=["c2s.router_timeout=1s", "c2s.drain_redirect=other.example:5222"]
    )
    redirected, frozen = await reach(world, "bound", 0), await managed(world, world.account(), 1)
    late = await reach(world, "authenticated", 1)
    await in_thread(world.cluster.kill, "router-1")
    await late.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    await ends_with(late, "resource-constraint")
    await in_thread(world.cluster.start, "router-1")
    await frozen.sync()
    stopping = asyncio.create_task(in_thread(world.cluster.stop, "c2s-1"))
    error = await ends_with(redirected, "see-other-host")
    assert error.find(f"{{{STREAM_ERRORS}}}see-other-host").text == "other.example:5222"
    await stopping


async def test_system_shutdown_where_no_other_host_is_named(own_cluster):
    world = own_cluster(counts={"router": 1})
    session = await reach(world, "bound", 0)
    stopping = asyncio.create_task(in_thread(world.cluster.stop, "c2s-1"))
    await ends_with(session, "system-shutdown")
    await stopping


async def test_failed_logins_and_what_ends_them(world):
    """A SASL failure leaves the stream open (6.4.5); too many end it."""
    raw = await reach(world, "secured", 0)
    for attempt in range(5):  # c2s.max_auth_attempts
        if attempt > 0:
            assert not raw.parser.found and not raw.parser.closed
        answer = await raw.plain("nobody", "wrong")
        assert (answer.tag, condition(answer)) == (f"{{{SASL}}}failure", "not-authorized")
    await ends_with(raw, "policy-violation")
