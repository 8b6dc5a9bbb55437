"""Clients that mean harm: the edge stays up, its memory stays bounded, and other users notice nothing."""

import asyncio
import os
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from conftest import PASSWORD
from parley_dev.processes import Process
from rawxmpp import CLIENT, STREAMS, Raw, body, condition, is_message

MIB = 1 << 20


def memory(world, name):
    """Resident bytes of an instance."""
    pid = Process(world.cluster.directory, name).pid()
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pids(world):
    return {name: Process(world.cluster.directory, name).pid() for name in world.cluster.instances()}


@asynccontextmanager
async def unharmed(world, growth=64 * MIB):
    """Two users talk before, during and after; no process dies; the edge's memory grows by less than `growth`."""
    romeo, juliet = await world.pair()
    before, size = pids(world), memory(world, "c2s-1")

    async def talk(text):
        await romeo.message(juliet.jid, text)
        assert body(await juliet.until(is_message)) == text
        await juliet.message(romeo.jid, text)
        assert body(await romeo.until(is_message)) == text

    await talk("before")
    yield talk
    await talk("after")
    assert pids(world) == before, "a process died"
    assert memory(world, "c2s-1") - size < growth


def plain_connection(world):
    host, port = world.edges[0]["xmpp"].split(":")
    return socket.create_connection((host, int(port)))


async def test_half_open_connections(world):
    async with unharmed(world) as talk:
        flood = [plain_connection(world) for _ in range(1000)]
        await talk("during")
        for connection in flood:
            connection.close()


async def test_connections_reset_in_the_middle_of_tls(world):
    async with unharmed(world) as talk:
        for number in range(200):
            host, port = world.edges[0]["xmpps"].split(":")
            connection = socket.create_connection((host, int(port)))
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(number))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        await talk("during")


async def test_garbage_instead_of_tls_and_xml(world):
    async with unharmed(world):
        for address in (world.edges[0]["xmpp"], world.edges[0]["xmpps"]):
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 4096, os.urandom(4096), b"\xff\xfe<\x00", b"<<<<"):
                raw = await Raw.connect(address, "localhost")
                try:
                    await raw.send(garbage)
                    raw.writer.write_eof()
                    await raw.ended()
                except (ConnectionError, ssl.SSLError):
                    pass
                except Exception as error:  # TLS alerts are no XML
                    assert type(error).__name__ == "ExpatError", error


HEADER = f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' to='localhost' version='1.0'>"


@pytest.mark.parametrize(
    "attack,wanted",
    [
        ("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]>" + HEADER, {"restricted-xml", "not-well-formed"}),
        (HEADER + "<!-- comment -->", {"restricted-xml"}),
        (HEADER + "<?php ?>", {"restricted-xml"}),
        (HEADER + "<message><body>&lol;</body></message>", {"restricted-xml", "not-well-formed"}),
        (HEADER + f"<a b='{'x' * 400000}", {"policy-violation"}),
        (HEADER + "<a>" * 3000, {"policy-violation"}),
        (HEADER + "<a " + " ".join(f"a{n}='1'" for n in range(3000)) + "/>", {"policy-violation"}),
        (HEADER + "<" + "n" * 400000, {"policy-violation"}),
        ("<stream:stream " + "x" * 100000, {"policy-violation", "not-well-formed"}),
        (HEADER + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHgAeA==</auth>", {"encryption-required"}),
        (HEADER + "<message to='a@localhost'/>", {"not-authorized"}),
    ],
)
async def test_bad_streams_end_with_the_right_error(world, attack, wanted):
    async with unharmed(world):
        raw = await Raw.connect(world.edges[0]["xmpp"], "localhost")
        await raw.send(attack)
        seen = await raw.ended() if "auth" not in attack else [await raw.header(), await raw.receive(), await raw.receive()]
        assert condition(seen[-1]) in wanted


# Of what clients say, and of what breaks it.
SAID = [
    "<message to='{peer}' type='chat' id='a'><body>&amp; <![CDATA[x]]></body><x xmlns='u' xmlns:p='v' p:q='1'/></message>",
    "<iq type='get' id='b'><query xmlns='jabber:iq:roster' ver='1'/></iq>",
    "<iq type='set' id='c'><query xmlns='jabber:iq:roster'><item jid='{peer}'><group>g</group></item></query></iq>",
    "<presence><show>away</show><priority>5</priority></presence>",
    "<presence to='{peer}' type='subscribe'/>",
    "<iq type='set' id='d' to='localhost'><command xmlns='http://jabber.org/protocol/commands' node='x'/></iq>",
    "<enable xmlns='urn:xmpp:sm:3' resume='true' max='10'/>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<a xmlns='urn:xmpp:sm:3' h='1'/>",
    "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
    "<iq type='set' id='e'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    "<stream:error><bad-format xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "</stream:stream>",
]
BREAKS = ["<", ">", "/>", "'", "&", "&#", "]]>", "<!", "<?", "\0", "\ufeff", "\U0001f600", " xmlns=''", " to=''", " id=''", "@", "//"]


def mutated(random, text):
    for _ in range(random.choice([0, 1, 1, 2, 4])):
        at = random.randrange(len(text) + 1)
        gone = random.choice([0, 0, 1, 5])
        text = text[:at] + random.choice(["", *BREAKS, *SAID]) + text[at + gone :]
    return text


async def test_mutated_conversations_end_and_harm_nobody(world):
    """What comes back is well-formed (Raw parses it), the stream ends, and others go on."""
    random = Random(7)
    clients = world.accounts(3)
    async with unharmed(world) as talk:
        for number in range(60):
            edge, jid = random.randrange(2), random.choice(clients)
            raw = await Raw.authenticated(world.edges[edge]["xmpp"], jid, PASSWORD, world.context)
            if number % 3:
                await raw.bind(random.choice([None, "x"]))
            said = "".join(mutated(random, random.choice(SAID)) for _ in range(5))
            await raw.send(said.replace("{peer}", random.choice(clients)) + "]]></x>")
            await raw.ended()
            raw.writer.close()
            if number % 20 == 0:
                await talk(f"after {number}")


async def test_bytes_that_drip(world):
    async with unharmed(world) as talk:
        raw = await Raw.login(world.edges[0]["xmpp"], world.account(), "correct horse", world.context)
        for byte in f"<message to='{raw.jid}'><body>drip</body></message>":
            await raw.send(byte)
        await talk("during")
        assert body(await raw.until(is_message)) == "drip"


async def test_ten_thousand_stanzas_without_reading(world):
    """The one who does not read is bounded; what cannot be kept for him is not kept by taking memory."""
    async with unharmed(world, growth=96 * MIB) as talk:
        flood = await world.login(world.account())
        sponge = await world.login(world.account(), 0)
        sponge.reader._transport.pause_reading()
        text = "x" * 2000
        data = f"<message to='{sponge.jid}' type='chat'><body>{text}</body></message>" * 100

        async def pour():
            for _ in range(100):
                await flood.send(data)

        async def swallow():
            while True:
                await flood.receive()

        swallowing = asyncio.create_task(swallow())
        pouring = asyncio.create_task(pour())
        await talk("during")
        await asyncio.wait([pouring], timeout=20)
        await talk("still")
        for task in (pouring, swallowing):
            task.cancel()
        flood.abort()
        sponge.abort()


async def test_thousand_stanzas_in_one_write_arrive_in_order(world):
    romeo, juliet = await world.pair()
    await romeo.send("".join(f"<message to='{juliet.jid}' type='chat'><body>{n}</body></message>" for n in range(1000)))
    assert [body(await juliet.until(is_message)) for _ in range(1000)] == [str(n) for n in range(1000)]


async def test_data_after_starttls_is_not_taken_as_if_it_were_protected(world):
    """STARTTLS injection: what follows <starttls/> in clear must never be handled after the handshake."""
    raw = await Raw.connect(world.edges[0]["xmpp"], "localhost")
    await raw.open()
    await raw.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + HEADER)
    seen = await raw.ended()
    assert not any(element.tag.endswith("}features") for element in seen)


async def test_unauthenticated_connection_is_closed_in_time(own_cluster):
    world = own_cluster(settings=["c2s.unauthenticated_timeout=1s"])
    raw = await Raw.connect(world.edges[0]["xmpp"], "localhost")
    await raw.open()
    assert condition((await raw.ended())[-1]) in ("connection-timeout", "policy-violation")


async def test_dead_peer_is_pinged_and_given_up(own_cluster):
    world = own_cluster(settings=["c2s.idle_ping=1s", "c2s.idle_timeout=1s"])
    romeo, juliet = await world.friends()
    answer = asyncio.create_task(keep_answering(juliet))
    # romeo answers no ping
    gone = await asyncio.wait_for(answer, 20)
    assert (gone.get("from"), gone.get("type")) == (romeo.jid, "unavailable")
    assert condition((await romeo.ended())[-1]) == "connection-timeout"


async def keep_answering(session):
    """Answers the server's pings until presence comes."""
    while True:
        element = await session.receive()
        if element.tag == f"{{{CLIENT}}}presence":
            return element
        if element.tag == f"{{{CLIENT}}}iq" and element.get("type") == "get":
            await session.send(f"<iq type='result' id='{element.get('id')}' to='{element.get('from') or 'localhost'}'/>")


async def test_flood_of_stanzas_is_slowed_not_cut(own_cluster):
    """c2s.stanzas_per_second: TCP pushes back, nothing is lost, and a neighbour is served meanwhile."""
    world = own_cluster(settings=["c2s.stanzas_per_second=200", "c2s.stanzas_burst=50"])
    romeo, juliet = await world.pair()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await romeo.send("".join(f"<message to='{juliet.jid}' type='chat'><body>{n}</body></message>" for n in range(450)))
    neighbour, friend = await world.pair()
    await neighbour.message(friend.jid, "no waiting here")
    assert body(await friend.until(is_message)) == "no waiting here"
    assert [body(await juliet.until(is_message)) for _ in range(450)] == [str(n) for n in range(450)]
    assert loop.time() - began > 1.5, "450 stanzas at 200 a second after a burst of 50 take two seconds"
