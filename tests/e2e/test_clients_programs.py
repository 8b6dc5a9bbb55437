"""Clients that are no Python: libstrophe (C) and go-sendxmpp (Go), as Debian ships them."""

import asyncio
import os
import subprocess

import pytest
import pytest_asyncio

from conftest import PASSWORD

SOURCE = os.path.join(os.path.dirname(__file__), "clients", "strophe_chat.c")


@pytest.fixture(scope="session")
def strophe_program(tmp_path_factory):
    program = tmp_path_factory.mktemp("clients") / "strophe_chat"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libstrophe"], capture_output=True, text=True, check=True)
    subprocess.run(["cc", "-Wall", "-Werror", "-o", program, SOURCE, *flags.stdout.split()], check=True)
    return program


class Program:
    """A client program whose lines we read until the wanted one comes."""

    def __init__(self, process):
        self.process = process

    @classmethod
    async def start(cls, *command, env=None):
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
        return cls(process)

    async def until(self, wanted):
        seen = []
        try:
            while True:
                line = (await asyncio.wait_for(self.process.stdout.readline(), 15)).decode()
                if wanted in line:
                    return line
                assert line, f"ended without {wanted!r}: {seen}"
                seen.append(line)
        except asyncio.TimeoutError:
            raise AssertionError(f"{wanted!r} did not come: {seen}") from None

    async def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@pytest_asyncio.fixture
async def started():
    programs = []

    async def start(*command, env=None):
        programs.append(await Program.start(*command, env=env))
        return programs[-1]

    yield start
    for program in programs:
        await program.stop()


@pytest.mark.parametrize("direct_tls", [False, True])
async def test_libstrophe_subscribes_and_chats_across_edges(world, strophe_program, started, direct_tls):
    romeo, juliet = world.accounts(2)

    async def client(jid, edge):
        host, port = world.edges[edge]["xmpps" if direct_tls else "xmpp"].split(":")
        extra = ["tls"] if direct_tls else []
        program = await started(strophe_program, host, port, jid, PASSWORD, world.cluster.ca_file, *extra)
        return program, (await program.until("online")).split()[1]

    one, one_jid = await client(romeo, 0)
    two, two_jid = await client(juliet, 1)
    await one.say(f"subscribe {juliet}")
    await two.until(f"presence {romeo} subscribe")
    await two.say(f"subscribed {romeo}")
    await one.until(f"presence {two_jid} available")
    await one.say(f"message {juliet} good morrow")
    assert f"message {one_jid} good morrow" in await two.until("good morrow")
    await two.say(f"message {one_jid} good night")
    await one.until(f"message {two_jid} good night")
    await two.say("quit")
    await two.until("offline")
    await one.until(f"presence {two_jid} unavailable")


async def test_go_sendxmpp_sends_to_listener_on_other_edge(world, started):
    romeo, juliet = world.accounts(2)
    env = {"SSL_CERT_FILE": str(world.cluster.ca_file)}

    def options(jid, edge):
        return ["-u", jid, "-p", PASSWORD, "-j", world.edges[edge]["xmpp"]]

    listener = await started("go-sendxmpp", "-l", *options(juliet, 1), env=env)
    sender = await started("go-sendxmpp", "-i", *options(romeo, 0), juliet, env=env)
    # It does not say when it is online: a message to an absent listener waits for it, so nothing is lost either way.
    await sender.say("but soft, what light")
    await listener.until("but soft, what light")
