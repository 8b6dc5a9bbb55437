"""A client that does exactly what a test says, right or wrong, and shows exactly what came back.

It is no fifth implementation of XMPP: it sends the bytes it is given and parses what returns with expat. Tests that ask
whether Parley works with clients use real ones (test_clients_*.py); this one is for the letter of the specifications.
"""

import asyncio
import base64
import itertools
import ssl
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

CLIENT = "jabber:client"
STREAMS = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
ROSTER = "jabber:iq:roster"
PING = "urn:xmpp:ping"
SM = "urn:xmpp:sm:3"
DELAY = "urn:xmpp:delay"

TIMEOUT = 10


class Ended(Exception):
    """The server closed its stream, or the connection went."""


class Parser:
    """Turns bytes into the children of the stream element, as ElementTree elements with {namespace}name tags."""

    def __init__(self):
        self.header = None
        self.found = []
        self.closed = False
        self._depth = 0
        self._builder = None
        self._expat = expat.ParserCreate(namespace_separator="}")
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text

    def feed(self, data):
        self._expat.Parse(data, False)

    @staticmethod
    def _name(name):
        return "{" + name if "}" in name else name

    def _start(self, name, attributes):
        attributes = {self._name(key): value for key, value in attributes.items()}
        if self._depth == 0:
            self.header = ElementTree.Element(self._name(name), attributes)
        else:
            if self._depth == 1:
                self._builder = ElementTree.TreeBuilder()
            self._builder.start(self._name(name), attributes)
        self._depth += 1

    def _end(self, name):
        self._depth -= 1
        if self._depth == 0:
            self.closed = True
            return
        self._builder.end(self._name(name))
        if self._depth == 1:
            self.found.append(self._builder.close())

    def _text(self, text):
        if self._depth > 1:
            self._builder.data(text)


class Raw:
    """One connection. `jid` is set once bound."""

    def __init__(self, reader, writer, domain):
        self.reader = reader
        self.writer = writer
        self.domain = domain
        self.parser = Parser()
        self.received = []  # raw bytes, for tests that look at them
        self.jid = None
        self.features = None
        self.patience = TIMEOUT  # seconds without a byte that the test bears
        self._ids = itertools.count(1)

    @classmethod
    async def connect(cls, address, domain, direct_tls=None):
        """`direct_tls`: an ssl context for port 5223."""
        host, port = address.rsplit(":", 1)
        extra = {"ssl": direct_tls, "server_hostname": domain} if direct_tls else {}
        reader, writer = await asyncio.open_connection(host, int(port), **extra)
        return cls(reader, writer, domain)

    # -- bytes ----------------------------------------------------------------------------------------------------

    async def send(self, data):
        self.writer.write(data.encode() if isinstance(data, str) else data)
        await self.writer.drain()

    async def _fill(self):
        data = await asyncio.wait_for(self.reader.read(65536), self.patience)
        if not data:
            raise Ended("the connection is closed")
        self.received.append(data)
        self.parser.feed(data)

    async def header(self):
        """Waits for the server's stream header."""
        while self.parser.header is None:
            await self._fill()
        return self.parser.header

    async def receive(self):
        """The next child of the stream. Raises Ended when the stream is closed instead."""
        while not self.parser.found:
            if self.parser.closed:
                raise Ended("the stream is closed")
            await self._fill()
        return self.parser.found.pop(0)

    async def ended(self):
        """Waits for the end of the stream; what comes before is returned."""
        seen = []
        try:
            while True:
                seen.append(await self.receive())
        except (Ended, ConnectionError, ssl.SSLError):
            return seen

    async def until(self, wanted):
        """Receives until `wanted(element)` is true and returns that element; the others are lost."""
        while True:
            element = await self.receive()
            if wanted(element):
                return element

    # -- negotiation ----------------------------------------------------------------------------------------------

    async def open(self, to=None, version="1.0", extra=""):
        """Sends a stream header (a new stream on the same connection forgets the old) and returns the features."""
        self.parser = Parser()
        await self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' "
            f"to={quoteattr(to or self.domain)} version='{version}' {extra}>"
        )
        await self.header()
        return await self.receive()

    async def starttls(self, context):
        await self.send(f"<starttls xmlns='{TLS}'/>")
        answer = await self.receive()
        assert answer.tag == f"{{{TLS}}}proceed", answer.tag
        await self.writer.start_tls(context, server_hostname=self.domain)

    async def plain(self, user, password):
        """The server's answer to SASL PLAIN."""
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        await self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
        return await self.receive()

    async def bind(self, resource=None):
        wanted = f"<resource>{resource}</resource>" if resource else ""
        answer = await self.iq("set", f"<bind xmlns='{BIND}'>{wanted}</bind>")
        assert answer.get("type") == "result", ElementTree.tostring(answer)
        self.jid = answer.find(f".//{{{BIND}}}jid").text
        return self.jid

    @classmethod
    async def authenticated(cls, address, jid, password, context):
        """A connection on which a resource can be bound, or a session resumed; `features` are those of this stream."""
        user, domain = jid.split("@")
        raw = await cls.connect(address, domain)
        await raw.open()
        await raw.starttls(context)
        await raw.open()
        answer = await raw.plain(user, password)
        assert answer.tag == f"{{{SASL}}}success", ElementTree.tostring(answer)
        raw.features = await raw.open()
        return raw

    @classmethod
    async def login(cls, address, jid, password, context, resource=None):
        raw = await cls.authenticated(address, jid, password, context)
        await raw.bind(resource)
        return raw

    # -- stanzas --------------------------------------------------------------------------------------------------

    async def iq(self, kind, payload, to=None):
        """Sends an iq and waits for its answer; anything else that comes meanwhile stays for receive()."""
        number = f"q{next(self._ids)}"
        target = f" to={quoteattr(to)}" if to else ""
        await self.send(f"<iq type='{kind}' id='{number}'{target}>{payload}</iq>")
        kept = []
        while True:
            element = await self.receive()
            if element.tag == f"{{{CLIENT}}}iq" and element.get("id") == number:
                self.parser.found[:0] = kept
                return element
            kept.append(element)

    async def message(self, to, body, kind="chat", extra=""):
        await self.send(f"<message to={quoteattr(to)} type='{kind}'><body>{body}</body>{extra}</message>")

    async def presence(self, payload="", **attributes):
        written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
        await self.send(f"<presence{written}>{payload}</presence>")

    async def available(self, priority=None):
        """Initial presence, and wait until the server has handled it (one's own presence comes back)."""
        await self.presence(f"<priority>{priority}</priority>" if priority is not None else "")
        await self.until(lambda e: e.tag == f"{{{CLIENT}}}presence" and e.get("from") == self.jid)

    async def roster(self):
        """Items by JID; makes the session interested in pushes."""
        answer = await self.iq("get", f"<query xmlns='{ROSTER}'/>")
        return {item.get("jid"): item for item in answer.iter(f"{{{ROSTER}}}item")}

    async def sync(self):
        """Everything that the server sent before this returns: what waited, oldest first.

        No time-out decides that nothing came: the answer to a ping to the server does. What another session caused
        must have been handled before (let that session sync() first)."""
        number = f"s{next(self._ids)}"
        await self.send(f"<iq type='get' id='{number}'><ping xmlns='{PING}'/></iq>")
        seen = []
        while True:
            element = await self.receive()
            if element.tag == f"{{{CLIENT}}}iq" and element.get("id") == number:
                return seen
            seen.append(element)

    async def close(self):
        """The closing handshake."""
        await self.send("</stream:stream>")
        await self.ended()
        self.writer.close()

    def abort(self):
        """The connection just goes."""
        self.writer.transport.abort()


def body(element):
    return element.findtext(f"{{{CLIENT}}}body")


def condition(element):
    """The defined condition of a stanza error, a stream error or a SASL failure."""
    error = element.find(f"{{{CLIENT}}}error")
    for child in element if error is None else error:
        namespace, name = child.tag[1:].split("}")
        if namespace in (STANZAS, STREAM_ERRORS, SASL) and name != "text":
            return name
    return None


def is_message(element):
    return element.tag == f"{{{CLIENT}}}message"


def is_presence(element):
    return element.tag == f"{{{CLIENT}}}presence"


async def befriend(first, second):
    """Gives two available users a mutual subscription; nothing is left to receive."""
    for one, other in ((first, second), (second, first)):
        await one.presence(type="subscribe", to=other.jid.split("/")[0])
        await other.until(lambda e: e.get("type") == "subscribe")
        await other.presence(type="subscribed", to=one.jid.split("/")[0])
        await one.until(lambda e: e.get("type") is None and e.get("from") == other.jid)
    for one in (first, second, first, second):
        await one.sync()
