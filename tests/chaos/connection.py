"""One TCP connection of a client: TLS, SASL, and the stream's children as they come. Cheap enough for hundreds."""

import asyncio
import base64
import hashlib
import hmac
import os
from functools import lru_cache
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from rawxmpp import BIND, CLIENT, SASL, STREAMS, TLS, Parser, condition

STREAM_ERROR = f"{{{STREAMS}}}error"
# Of who stays connected.
CONNECT_SECONDS = 5
BIND_SECONDS = 10
AGAIN_SECONDS = 0.2


class Refused(Exception):
    """The server said no, in the protocol's words: the defined condition."""


class Gone(Exception):
    """The connection ended."""


class Connection(asyncio.Protocol):
    """Elements go to `on_element`; before somebody takes it over they wait for next()."""

    def __init__(self, domain):
        self.domain = domain
        self.parser = Parser()
        self.waiting = asyncio.Queue()
        self.on_element = self.waiting.put_nowait
        self.gone = asyncio.get_running_loop().create_future()
        self.transport = None
        self.heard = 0.0
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, address, domain, context, direct_tls):
        """A connection under TLS whose first header is not sent yet. `direct_tls`: the address speaks TLS at once."""
        host, port = address.rsplit(":", 1)
        loop = asyncio.get_running_loop()
        extra = {"ssl": context, "server_hostname": domain} if direct_tls else {}
        _, connection = await loop.create_connection(lambda: cls(domain), host, int(port), **extra)
        try:
            if not direct_tls:
                await connection.open_stream()
                connection.send(f"<starttls xmlns='{TLS}'/>")
                await connection.expect(f"{{{TLS}}}proceed")
                connection.transport = await loop.start_tls(
                    connection.transport, connection, context, server_hostname=domain
                )
        except BaseException:
            connection.abort()
            raise
        return connection

    # -- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self._end()

    def eof_received(self):
        self._end()

    def data_received(self, data):
        if self.gone.done():
            return
        self.heard = self._loop.time()
        try:
            self.parser.feed(data)
        except expat.ExpatError:
            self.abort()
            return
        found, self.parser.found = self.parser.found, []
        for element in found:
            self.on_element(element)
        if self.parser.closed:
            self._end()

    def _end(self):
        if not self.gone.done():
            self.gone.set_result(None)
            self.waiting.put_nowait(None)
        if self.transport:
            self.transport.abort()

    # -- use --------------------------------------------------------------------------------------------------------

    def send(self, text):
        if not self.gone.done():
            self.transport.write(text.encode())

    def abort(self):
        """As a crashed client: the server sees a reset at once."""
        self._end()

    def abandon(self, seconds):
        """As a client that lost its network: nothing is read or sent, and the server sees nothing for a while."""
        if self.gone.done():
            return
        self.on_element = lambda element: None
        self.transport.pause_reading()
        self._loop.call_later(seconds, self.transport.abort)
        self.gone.set_result(None)
        self.waiting.put_nowait(None)

    async def next(self):
        element = await self.waiting.get()
        if element is None:
            raise Gone
        if element.tag == STREAM_ERROR:
            raise Refused(condition(element))
        return element

    async def expect(self, *tags):
        element = await self.next()
        if element.tag not in tags:
            raise Refused(condition(element) or element.tag)
        return element

    async def open_stream(self):
        """Sends a header; returns the features."""
        self.parser = Parser()
        self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' "
            f"to={quoteattr(self.domain)} version='1.0'>"
        )
        return await self.expect(f"{{{STREAMS}}}features")

    async def authenticate(self, user, password, mechanism):
        """Returns the features of the authenticated stream."""
        await self.open_stream()
        if mechanism == "PLAIN":
            self._auth(mechanism, f"\0{user}\0{password}".encode())
        else:
            await self._scram(user, password, mechanism)
        await self.expect(f"{{{SASL}}}success")
        return await self.open_stream()

    def _auth(self, mechanism, token):
        self.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{base64.b64encode(token).decode()}</auth>")

    async def _scram(self, user, password, mechanism):
        """RFC 5802, without channel binding. The server's signature is its affair with real clients' tests."""
        algorithm = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism]
        first = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"
        self._auth(mechanism, f"n,,{first}".encode())
        challenge = base64.b64decode((await self.expect(f"{{{SASL}}}challenge")).text).decode()
        fields = dict(field.split("=", 1) for field in challenge.split(","))
        client_key, stored_key = _scram_keys(algorithm, password, fields["s"], int(fields["i"]))
        final = f"c=biws,r={fields['r']}"
        signed = hmac.digest(stored_key, f"{first},{challenge},{final}".encode(), algorithm)
        proof = bytes(a ^ b for a, b in zip(client_key, signed))
        answer = f"{final},p={base64.b64encode(proof).decode()}"
        self.send(f"<response xmlns='{SASL}'>{base64.b64encode(answer.encode()).decode()}</response>")

    async def bind(self, resource):
        """The full JID."""
        self.send(
            f"<iq type='set' id='bind'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>"
        )
        answer = await self.expect(f"{{{CLIENT}}}iq")
        if answer.get("type") != "result":
            raise Refused(condition(answer))
        return answer.findtext(f".//{{{BIND}}}jid")


@lru_cache(maxsize=10000)
def _scram_keys(algorithm, password, salt, iterations):
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), base64.b64decode(salt), iterations)
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    return client_key, hashlib.new(algorithm, client_key).digest()


async def stay(address, domain, context, begin, ended=lambda: None):
    """Without stream management: connects again and again. `begin(connection)` logs in and binds; `ended()` follows."""
    while True:
        connection = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await Connection.open(address, domain, context, direct_tls=False)
            async with asyncio.timeout(BIND_SECONDS):
                await begin(connection)
            await connection.gone
        except (OSError, Gone, Refused, TimeoutError):
            pass
        finally:
            if connection is not None:
                connection.abort()
            ended()
        await asyncio.sleep(AGAIN_SECONDS)
