"""A careful client's session (XEP-0198 version 1.6): it outlives its connections, on any node, as long as the server
lets it. What the server has not acknowledged stays here, and is sent again when the server says that it lacks it."""

import asyncio
from collections import deque
from contextlib import contextmanager

from rawxmpp import CLIENT, SM, STANZAS, condition

from connection import STREAM_ERROR, Connection, Gone, Refused
from recovery import Try

STANZA_NAMES = {f"{{{CLIENT}}}{name}" for name in ("message", "presence", "iq")}
WRAP = 1 << 32

ATTACH_SECONDS = 5  # from the first byte to <resumed/> or <enabled/>, then another node is tried
SILENCE_SECONDS = 4  # an <r/> without an answer: the connection counts as dead
REQUEST_EVERY = 5  # stanzas
REQUEST_SECONDS = 1  # after which an <r/> is sent for fewer


class Observer:
    """Who wants to know what happens to sessions (the ledger, the report)."""

    def on_stanza(self, session, element):
        """`session.incarnation` and `session.received` say when."""

    def on_acknowledged(self, session, note):
        """The server has taken responsibility for what was sent with this note."""

    def on_attached(self, session, how, tries):
        """`how`: new, resumed. `tries`: since the last connection ended; the last one worked."""

    def on_lost(self, session, reason, away, resent):
        """No resumption after `away` seconds. `resent`: notes of what no `h` covers and is sent once more."""

    def on_unprotected(self, session, since):
        """It was bound then, or soon after, and its connection ended before it had stream management."""

    def on_disconnected(self, session, reason):
        """A stream error's condition, `silence`, `cut` or `closed`."""

    def on_violation(self, text):
        """The server broke the protocol."""


class Incarnation:
    """One stream management session: from <enabled/> until it is closed or lost."""

    def __init__(self, number, began=0.0):
        self.number = number
        self.began = began
        self.lost = False
        self.confirmed = 0  # the server has surely seen our acknowledgement of so many stanzas

    def kept(self, index):
        """Whether what came as stanza `index` (0: not counted) cannot be sent again for the loss of this session."""
        return not self.lost or 0 < index <= self.confirmed


class Session:
    def __init__(self, place, jid, resource, random, observer, *, priority=0, resume_max=None):
        """`place`: edges (lists of [xmpp, xmpps] addresses), context, password. `resume_max`: seconds asked for."""
        self.place, self.jid, self.resource = place, jid, resource
        self.random, self.observer = random, observer
        self.priority, self.resume_max = priority, resume_max
        self.full = None
        self.edge = None
        self.connection = None
        self.attached = False
        self.away_until = 0.0
        self.closing = False
        self.incarnation = Incarnation(0)
        self.received = 0  # stanzas of this incarnation, not wrapped
        self.unsent = []  # (text, note) for the next incarnation
        self._loop = asyncio.get_running_loop()
        self._forget()

    def _forget(self):
        self.sm_id = None
        self.sm_max = None
        self.told = 0  # the last h that we wrote
        self.received = 0
        self.acknowledged = 0  # the server's h
        self.queue = deque()  # (text, note, when), what h does not cover
        self._unrequested = 0
        self._requested_at = None
        self._last_sent = 0.0
        self._talking = None  # called at the first answer after attaching

    # -- what the driver asks for -----------------------------------------------------------------------------------

    def send(self, text, note=None):
        if self.sm_id is None:
            self.unsent.append((text, note))
            return
        self._last_sent = self._loop.time()
        self.queue.append((text, note, self._last_sent))
        if self.attached:
            self.connection.send(text)
            self._unrequested += 1
            if self._unrequested >= REQUEST_EVERY:
                self.request()

    def request(self):
        self._unrequested = 0
        if self._requested_at is None:
            self._requested_at = self._loop.time()
        self.connection.send(f"<r xmlns='{SM}'/>")

    def acknowledge(self):
        self.told = self.received
        self.connection.send(f"<a xmlns='{SM}' h='{self.received % WRAP}'/>")

    def leave(self, seconds, silently):
        """The network goes for so long; `silently`: the server is not told by TCP."""
        self.away_until = self._loop.time() + seconds
        if self.connection is not None and not self.connection.gone.done():
            self.observer.on_disconnected(self, "cut")
            self._drop(silently)

    def _drop(self, silently):
        self.attached = False
        if silently:
            self.connection.abandon(seconds=20)
        else:
            self.connection.abort()

    def tick(self):
        """Called a few times a second: timers of all sessions in one place."""
        if not self.attached:
            return
        now = self._loop.time()
        if self._requested_at is not None and now - max(self._requested_at, self.connection.heard) > SILENCE_SECONDS:
            self.observer.on_disconnected(self, "silence")
            self._drop(silently=True)
        elif self.queue and self._requested_at is None and now - self._last_sent > REQUEST_SECONDS:
            self._last_sent = now
            self.request()

    @property
    def settled(self):
        return self.attached and not self.queue and not self.unsent and self._talking is None

    @property
    def answered(self):
        return self._requested_at is None

    @property
    def fresh(self):
        """Whether nothing has waited for the server's acknowledgement for long."""
        return not self.queue or self._loop.time() - self.queue[0][2] < 2

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self):
        gone_at = self._loop.time()
        while not self.closing:
            await self._attach(gone_at)
            await self.connection.gone
            gone_at = self._loop.time()
            if self.attached and not self.closing:
                self.observer.on_disconnected(self, "closed")
            self.attached = False
            self._requested_at = None

    async def close(self):
        """Ends the session for good: acknowledges what came, and closes the stream."""
        self.closing = True
        self.acknowledge()
        self.connection.send("</stream:stream>")
        await asyncio.wait([self.connection.gone], timeout=ATTACH_SECONDS)
        self.connection.abort()

    async def _attach(self, gone_at):
        await asyncio.sleep(max(0, self.away_until - self._loop.time()))
        tries = []
        pause = 0.05
        while True:
            others = [edge for edge in range(len(self.place.edges)) if edge != self.edge]
            self.edge = self.random.choice(others or [0])
            tries.append(Try(self._loop.time(), self.edge))
            try:
                async with asyncio.timeout(ATTACH_SECONDS):
                    how = await self._negotiate(gone_at)
                break
            except (OSError, Gone, Refused, TimeoutError) as problem:
                tries[-1].until = self._loop.time()
                self.observer.on_disconnected(self, f"attach: {_reason(problem)}")
                if self.connection is not None:
                    self.connection.abort()
            await asyncio.sleep(pause * self.random.uniform(0.5, 1.5))
            pause = min(pause * 2, 1)
        # An <a/> is the first sign that both directions work again.
        self._talking = lambda: self.observer.on_attached(self, how, tries)
        self.request()

    async def _negotiate(self, gone_at):
        connection = None
        direct_tls = self.random.random() < 0.5
        self.connection = connection = await Connection.open(
            self.place.edges[self.edge][direct_tls], self.jid.split("@")[1], self.place.context, direct_tls
        )
        mechanism = self.random.choice(["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
        features = await connection.authenticate(self.jid.split("@")[0], self.place.password, mechanism)
        if features.find(f"{{{SM}}}sm") is None:
            raise Refused("no stream management offered")
        if self.sm_id is not None and await self._resume(connection, gone_at):
            return "resumed"
        await self._begin(connection)
        return "new"

    async def _resume(self, connection, gone_at):
        self.told = self.received
        connection.send(f"<resume xmlns='{SM}' previd='{self.sm_id}' h='{self.received % WRAP}'/>")
        answer = await connection.expect(f"{{{SM}}}resumed", f"{{{SM}}}failed")
        if answer.tag == f"{{{SM}}}failed":
            self._resume_failed(answer, self._loop.time() - gone_at)
            return False
        if answer.get("previd") != self.sm_id:
            self.observer.on_violation(f"{self.full}: resumed with previd {answer.get('previd')}")
        self._handled(answer.get("h"))
        for text, *_ in self.queue:
            connection.send(text)
        self._take_over(connection)
        return True

    def _resume_failed(self, answer, away):
        reason = condition(answer)
        if reason != "item-not-found" and (self.sm_max is None or away < self.sm_max):
            raise Refused(f"resume: {reason}")  # not now
        if answer.get("h") is not None:
            self._handled(answer.get("h"))
        resent = [(text, note) for text, note, _ in self.queue if not text.startswith("<presence")]
        self.incarnation.lost = True
        self.observer.on_lost(self, reason, away, [note for _, note in resent])
        self.unsent[:0] = [(text, note) for text, note in resent if not text.startswith("<iq type='get'")]
        self._forget()

    async def _begin(self, connection):
        with self._unprotected(but=Refused):
            self.full = await connection.bind(self.resource)
        with self._unprotected():
            await self._enable(connection)
        self._take_over(connection)
        self.greet()
        unsent, self.unsent = self.unsent, []
        for text, note in unsent:
            self.send(text, note)

    @contextmanager
    def _unprotected(self, but=()):
        """The server may have bound it, also where it was not told. `but`: then it has not."""
        since = self._loop.time()
        try:
            yield
        except but:
            raise
        except BaseException:
            self.observer.on_unprotected(self, since)
            raise

    async def _enable(self, connection):
        asked = f" max='{self.resume_max}'" if self.resume_max else ""
        connection.send(f"<enable xmlns='{SM}' resume='true'{asked}/>")
        self.incarnation = Incarnation(self.incarnation.number + 1, self._loop.time())
        while (answer := await connection.next()).tag != f"{{{SM}}}enabled":
            if answer.tag == f"{{{SM}}}failed":
                raise Refused(f"enable: {condition(answer)}")
            self.observer.on_stanza(self, answer)  # neither side counts it yet
            self._answer(answer)
        if answer.get("resume") not in ("true", "1") or not answer.get("id"):
            raise Refused("not resumable")
        self.sm_id = answer.get("id")
        self.sm_max = int(answer.get("max")) if answer.get("max") else None

    def greet(self):
        """The first that a new session says."""
        self.send(f"<presence><priority>{self.priority}</priority></presence>")

    # -- what comes in ----------------------------------------------------------------------------------------------

    def _take_over(self, connection):
        """From here on elements are handled as they come. No await between the last next() and this."""
        self.attached = not connection.gone.done()
        while not connection.waiting.empty():
            element = connection.waiting.get_nowait()
            if element is not None:
                self._on_element(element)
        connection.on_element = self._on_element

    def _on_element(self, element):
        if element.tag in STANZA_NAMES:
            self.received += 1
            self.observer.on_stanza(self, element)
            self._answer(element)
        elif element.tag == f"{{{SM}}}r":
            self.acknowledge()
        elif element.tag == f"{{{SM}}}a":
            self._requested_at = None
            self._handled(element.get("h"))
            if self._talking is not None:
                talking, self._talking = self._talking, None
                talking()
        elif element.tag == STREAM_ERROR:
            self.attached = False
            self.observer.on_disconnected(self, condition(element))
            self.connection.abort()

    def _answer(self, element):
        """Every iq get or set is answered (RFC 6120 8.2.3)."""
        if element.tag == f"{{{CLIENT}}}iq" and element.get("type") in ("get", "set"):
            to, number = element.get("from"), element.get("id")
            attributes = f"id='{number}'" + (f" to='{to}'" if to else "")
            if element.find("{urn:xmpp:ping}ping") is not None or element.get("type") == "set":
                self.send(f"<iq type='result' {attributes}/>")
            else:
                error = f"<error type='cancel'><service-unavailable xmlns='{STANZAS}'/></error>"
                self.send(f"<iq type='error' {attributes}>{error}</iq>")

    def _handled(self, h):
        """The server's h, in <a/>, <resumed/> or <failed/>."""
        count = (int(h) - self.acknowledged) % WRAP
        if count > len(self.queue):
            self.observer.on_violation(f"{self.full}: h={h} after {self.acknowledged}, {len(self.queue)} sent since")
            return
        self.acknowledged = int(h)
        for _ in range(count):
            self.observer.on_acknowledged(self, self.queue.popleft()[1])


def _reason(problem):
    if isinstance(problem, Refused):
        return str(problem)
    return {ConnectionRefusedError: "connection refused", TimeoutError: "time-out"}.get(
        type(problem), type(problem).__name__
    )
