"""A client with stream management that keeps its roster, and tells in each presence which of its presences it is."""

import asyncio
from typing import NamedTuple

from rawxmpp import CLIENT, ROSTER
from session import Observer, Session
from world import DOMAIN

from variety.exposed import Exposed

MESSAGE, IQ, PRESENCE = (f"{{{CLIENT}}}{name}" for name in ("message", "iq", "presence"))
WRONG_ENDS = ("bad-format", "invalid-xml", "undefined-condition", "policy-violation", "not-authorized")
PING = "<ping xmlns='urn:xmpp:ping'/>"
READ_AGAIN_SECONDS = 0.5


class Note:
    """What became of a stanza that a client sent."""

    def __init__(self):
        self.acknowledged = False
        self.acknowledged_at = None  # if the server told
        self.taken_in = None  # the incarnation that it told
        self.resent = 0  # after the loss of the sender's session


class Item(NamedTuple):
    """A contact as a client sees it."""

    name: str = ""
    subscription: str = "none"
    ask: bool = False

    @classmethod
    def of(cls, element):
        return cls(element.get("name") or "", element.get("subscription") or "none", element.get("ask") is not None)


class Client(Session):
    """`fickle`: contacts may see it go and come though it stays."""

    absence = None  # its session waits for it

    def __init__(self, stage, account, resource, *, priority=0, resume_max=None, fickle=False):
        super().__init__(
            stage.place, f"{account}@{DOMAIN}", resource, stage.random, stage.eyes, priority=priority, resume_max=resume_max
        )
        self.stage = stage
        self.account = account
        self.wanted = f"{self.jid}/{resource}"
        self.fickle = fickle
        self.listeners = [*stage.listeners, self._on_roster]
        self.view = None  # the roster: what was read, and what was pushed since
        self.slowness = 0  # seconds before it answers an iq
        self.over_since = None
        self.announced = None  # the status of its last presence to all
        self._presences = 0
        self._directed = {}  # watcher: (own incarnation, the watcher's, status)
        self.task = asyncio.create_task(self.run())

    # -- presence ---------------------------------------------------------------------------------------------------

    @property
    def status(self):
        return f"{self.incarnation.number}.{self._presences}"

    def greet(self):
        self.view = None
        self._directed = {}
        self.read_roster(self.incarnation)
        self.announce()

    def announce(self):
        self._presences += 1
        self.announced = self.status
        self.send(f"<presence><status>{self.status}</status><priority>{self.priority}</priority></presence>")

    def direct(self, stranger):
        """Directed presence."""
        self._presences += 1
        self._directed[stranger] = (self.incarnation, stranger.incarnation, self.status)
        self.send(f"<presence to='{stranger.jid}'><status>{self.status}</status></presence>")

    def directed_to(self, stranger):
        """The status that `stranger` must see at last; None: nothing is known, since either has begun anew."""
        own, its, status = self._directed.get(stranger, (None, None, None))
        return status if own is self.incarnation and its is stranger.incarnation else None

    # -- what comes in ----------------------------------------------------------------------------------------------

    def _answer(self, element):
        if not self.slowness or element.tag != IQ:
            return super()._answer(element)
        incarnation, answer = self.incarnation, super()._answer
        self._loop.call_later(self.slowness, lambda: incarnation is self.incarnation and answer(element))

    def see(self, element):
        for listener in self.listeners:
            listener(self, element)

    def read_roster(self, incarnation):
        if incarnation is self.incarnation and not self.over:
            self.send(f"<iq type='get' id='roster-{incarnation.number}'><query xmlns='{ROSTER}'/></iq>")

    def _on_roster(self, _, element):
        if element.tag == IQ and element.get("id") == f"roster-{self.incarnation.number}":
            if element.get("type") == "error":
                self._loop.call_later(READ_AGAIN_SECONDS, self.read_roster, self.incarnation)
                return
            self.view = {}
        query = element.find(f"{{{ROSTER}}}query") if element.tag == IQ else None
        if query is None or self.view is None:
            return
        for item in query:
            if item.get("subscription") == "remove":
                self.view.pop(item.get("jid"), None)
            else:
                self.view[item.get("jid")] = Item.of(item)

    def settle(self):
        """Whether it is settled. If not, it does not wait for the next tick to ask for what it lacks."""
        if self.attached and self.queue and self.answered:
            self.request()
        return self.settled

    def confirm(self):
        """Acknowledges what came, and asks for an answer behind that. Returns for which incarnation, and how much."""
        self.acknowledge()
        self.request()
        return self.incarnation, self.told

    # -- the end ----------------------------------------------------------------------------------------------------

    def abandon(self):
        """It is never heard of again."""
        self._part()
        self.task.cancel()
        self.connection.abort()

    async def log_out(self, unavailable=False):
        """What came is acknowledged, and the server has surely seen that."""
        await self.stage.until(self.settle, f"{self.wanted} settled before it logs out")
        if unavailable:
            self.send("<presence type='unavailable'/>")
        while not await self._assure():
            pass
        self._part()
        await self.close()
        self.task.cancel()

    async def _assure(self):
        """False: the session was lost meanwhile, and with it perhaps the answer."""
        told, here = self.received, self.incarnation
        self.acknowledge()
        sure = self.stage.inquiry.ask(self, None, "get", PING)
        await self.stage.until(
            lambda: (sure.answers or self.incarnation is not here) and self.settle(), f"{self.wanted} confirmed"
        )
        if self.incarnation is not here:
            return False
        here.confirmed = max(here.confirmed, told)
        return True

    @property
    def over(self):
        return self.over_since is not None

    def _part(self):
        self.stage.clients.remove(self)
        self.over_since = self.stage.now()
        self.stage.parted.append((self.jid, self.over_since))
        self.incarnation.lost = True


class Eyes(Observer):
    """Of the stage, on its clients."""

    def __init__(self, stage):
        self.stage = stage

    def on_stanza(self, session, element):
        self.stage.counts["stanzas seen"] += 1
        session.see(element)

    def on_acknowledged(self, session, note):
        if note is not None:
            note.acknowledged = True
            note.acknowledged_at = self.stage.now()
            note.taken_in = session.incarnation

    def on_attached(self, session, how, tries):
        self.stage.counts[f"sessions {how}"] += 1

    def on_lost(self, session, reason, away, resent):
        entitled = session.sm_max is None or away < session.sm_max - 1
        self.stage.counts["sessions lost"] += 1
        self.stage.bereft.add(session.jid)
        if entitled and not session.over and not session.closing:
            self.stage.broken(f"{session.wanted}: not resumed ({reason}) after {away:.1f} of {session.sm_max} s")
        for note in resent:
            if note is not None:
                note.resent += 1

    def on_unprotected(self, session, since):
        edge = sorted(self.stage.cluster.instances("c2s"))[session.edge]
        self.stage.exposed.append(Exposed(session, edge, since, self.stage.now()))

    def on_disconnected(self, session, reason):
        self.stage.counts[f"streams ended: {reason}"] += 1
        if reason in WRONG_ENDS:
            self.stage.broken(f"{session.wanted}: stream ended with {reason}")

    def on_violation(self, text):
        self.stage.broken(text)
