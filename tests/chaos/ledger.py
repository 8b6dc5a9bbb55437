"""What was sent, acknowledged, received, bounced: and whether that keeps the promise.

A repeat is excused only where XEP-0198 cannot rule it out: the sender's session was lost and it sent once more what no
`h` covered; or the receiver's session was lost and the server cannot have known that the message had come.
"""

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from rawxmpp import CLIENT, DELAY, body, condition

from session import Observer

MESSAGE, IQ = f"{{{CLIENT}}}message", f"{{{CLIENT}}}iq"
NUMBERED = re.compile(r"m(\d+)-(\d+)")
# How a server may end a stream of a client that did nothing wrong.
EXPECTED_ENDS = {"system-shutdown", "see-other-host", "reset", "connection-timeout", "resource-constraint"}
EXPECTED_ENDS |= {"remote-connection-failed", "internal-server-error", "cut", "closed", "silence"}
CLAIM_SECONDS = 5  # for so long a node may ask for a session whose client has hung up


@dataclass(slots=True)
class Arrival:
    session: object
    incarnation: object
    index: int  # of the stanza in its incarnation; 0: not counted
    time: float
    from_store: bool

    @property
    def place(self):
        return (self.time, self.incarnation.number, self.index)

    def unconfirmed(self):
        return not self.incarnation.kept(self.index)


@dataclass(slots=True)
class Message:
    sent: float
    connected: bool  # both sides were, when it was sent
    acknowledged: float = 0.0
    resent: int = 0  # after the loss of the sender's session
    bounces: list = field(default_factory=list)  # when they came, and their conditions
    arrivals: list = field(default_factory=list)


@dataclass
class Flow:
    """Numbered messages of one session to one address."""

    number: int
    sender: object
    to: str
    receivers: list  # the sessions that it may reach
    forked: bool  # to the bare JID: each of them gets it
    messages: list = field(default_factory=list)


@dataclass(slots=True)
class Question:
    session: object
    incarnation: object
    to: object  # a session, or None for the server
    told: int
    sent: float = 0.0
    acknowledged: bool = False
    answers: list = field(default_factory=list)  # when they came, and their types


class Attached(NamedTuple):
    at: float
    session: object
    how: str  # new, resumed
    tries: list  # since the last connection ended


class Ledger(Observer):
    def __init__(self, now):
        self.now = now
        self.flows = []
        self.questions = {}
        self.violations = []
        self.ends = Counter()
        self.unexpected = Counter()
        self._began = {}  # when incarnations did
        self._given_up = {}  # when sessions last gave up an attempt that was under way
        self.attached = []
        self.losses = []  # (session, reason, seconds away, entitled)
        self.latencies = []  # (time of sending, seconds)

    # -- what is sent -----------------------------------------------------------------------------------------------

    def add_flow(self, sender, to, receivers, forked):
        self.flows.append(Flow(len(self.flows), sender, to, receivers, forked))
        return self.flows[-1]

    def send_next(self, flow):
        number = len(flow.messages)
        connected = flow.sender.attached and all(receiver.attached for receiver in flow.receivers)
        flow.messages.append(Message(self.now(), connected))
        name = f"m{flow.number}-{number}"
        text = f"<message to='{flow.to}' type='chat' id='{name}'><body>{name}</body></message>"
        flow.sender.send(text, ("message", flow, number))

    def ask(self, session, to=None):
        """A ping, to the server or to another session."""
        name = f"i{len(self.questions)}"
        self.questions[name] = Question(session, session.incarnation, to, session.told, self.now())
        address = f" to='{to.full}'" if to else ""
        session.send(f"<iq type='get' id='{name}'{address}><ping xmlns='urn:xmpp:ping'/></iq>", ("iq", name))

    # -- what happens -----------------------------------------------------------------------------------------------

    def on_stanza(self, session, element):
        if element.tag == MESSAGE:
            self._message(session, element)
        elif element.tag == IQ and element.get("id") in self.questions and element.get("type") in ("result", "error"):
            question = self.questions[element.get("id")]
            question.answers.append((round(self.now(), 2), element.get("type")))
            if question.to is None and question.incarnation is session.incarnation:
                session.incarnation.confirmed = max(session.incarnation.confirmed, question.told)

    def _message(self, session, element):
        named = NUMBERED.fullmatch(element.get("id") or "")
        if not named:
            self.violations.append(f"{session.full}: a message that nobody sent: {element.attrib}")
            return
        flow, number = self.flows[int(named[1])], int(named[2])
        message = flow.messages[number]
        if element.get("type") == "error":
            message.bounces.append((round(self.now(), 2), condition(element)))
            return
        if body(element) != element.get("id") or element.get("from") != flow.sender.full:
            self.violations.append(f"{session.full}: message {element.get('id')} is not as it was sent")
        stored = element.find(f"{{{DELAY}}}delay") is not None
        index = session.received if session.sm_id else 0
        message.arrivals.append(Arrival(session, session.incarnation, index, self.now(), stored))
        left = max(session.away_until, flow.sender.away_until)  # of their own will
        if len(message.arrivals) == 1 and message.connected and left < message.sent:
            self.latencies.append((message.sent, self.now() - message.sent))

    def on_acknowledged(self, session, note):
        kind, *what = note or ("",)
        if kind == "message":
            flow, number = what
            flow.messages[number].acknowledged = self.now()
        elif kind == "iq":
            self.questions[what[0]].acknowledged = True

    def on_attached(self, session, how, tries):
        self._began.setdefault(session.incarnation, self.now())
        self.attached.append(Attached(self.now(), session, how, tries))

    def on_lost(self, session, reason, away, resent):
        entitled = session.sm_max is None or away < session.sm_max - 1
        self.losses.append((session, reason, away, entitled))
        if entitled:
            self.violations.append(f"{session.full}: not resumed ({reason}) after {away:.1f} s of {session.sm_max} s")
        for note in resent:
            if note and note[0] == "message":
                note[1].messages[note[2]].resent += 1

    def on_disconnected(self, session, reason):
        self.ends[reason] += 1
        if reason == "attach: time-out":
            self._given_up[session] = self.now()
        if not reason.startswith("attach: ") and reason not in EXPECTED_ENDS and not self._by_claim(session, reason):
            self.unexpected[reason] += 1
            self.violations.append(f"{session.full}: stream ended with {reason}")

    def _by_claim(self, session, reason):
        """What a node asks for cannot be called back when its client gives up and has its session elsewhere."""
        return reason == "conflict" and self.now() - self._given_up.pop(session, -CLAIM_SECONDS) < CLAIM_SECONDS

    def on_violation(self, text):
        self.violations.append(text)

    # -- the verdict ------------------------------------------------------------------------------------------------

    def undecided(self):
        """Acknowledged messages that neither came nor bounced (yet)."""
        return [
            f"m{flow.number}-{number}"
            for flow in self.flows
            for number, message in enumerate(flow.messages)
            if message.acknowledged and not message.arrivals and not message.bounces
        ]

    def bounced(self, excused=()):
        """In words, all that bounced, except while what was `excused` went on: pairs of times."""
        for flow in self.flows:
            for number, message in enumerate(flow.messages):
                for at, why in message.bounces:
                    if not any(began <= at and message.sent <= ended for began, ended in excused):
                        yield f"{self._name(flow, number)}, sent at {message.sent:.2f}, bounced at {at:.2f}: {why}"

    def unanswered(self):
        """Acknowledged iqs of sessions that live, without an answer (yet)."""
        asked = self.questions.items()
        return [name for name, question in asked if self._must_be_answered(question) and not question.answers]

    @staticmethod
    def _must_be_answered(question):
        asker_lives = question.session.incarnation is question.incarnation and not question.incarnation.lost
        return question.acknowledged and asker_lives

    @staticmethod
    def _answers_too_many(question):
        """A lost session's client sends its unacknowledged answer again, to what was bounced when the session ended."""
        return len(question.answers) > (2 if question.to is not None and question.to.incarnation.number > 1 else 1)

    def so_far(self):
        """Promises that are broken already. What is lost or unanswered only the end can tell."""
        counts, broken = Counter(), list(self.violations)
        for flow in self.flows:
            for number, message in enumerate(flow.messages):
                self._judge_arrivals(flow, number, message, counts, broken)
        self._judge_order(counts, broken)
        return broken

    def verdict(self):
        """Counts, and a list of every broken promise."""
        counts, broken = Counter(), list(self.violations)
        for flow in self.flows:
            for number, message in enumerate(flow.messages):
                self._judge(flow, number, message, counts, broken)
        self._judge_order(counts, broken)
        self._judge_questions(counts, broken)
        return counts, broken

    def _judge(self, flow, number, message, counts, broken):
        name = self._name(flow, number)
        counts["sent"] += 1
        counts["acknowledged"] += bool(message.acknowledged)
        counts["arrivals"] += len(message.arrivals)
        counts["arrivals from the offline store"] += sum(arrival.from_store for arrival in message.arrivals)
        counts["bounced"] += bool(message.bounces)
        counts["sent again after a lost session"] += message.resent
        if not message.acknowledged:
            counts["never acknowledged"] += 1
        elif not message.arrivals and not message.bounces:
            counts["LOST"] += 1
            when = f"sent at {message.sent:.2f}, acknowledged at {message.acknowledged:.2f}"
            broken.append(f"{name}: acknowledged and lost; {when}; {self._story(flow, message)}")
        if flow.forked:
            by_session = self._by_session(message)
            for session in flow.receivers if message.arrivals or not message.bounces else ():
                if message.acknowledged and self._there_since(session) < message.sent and session not in by_session:
                    counts["LOST"] += 1
                    broken.append(f"{name}: {session.full} was there from then on and did not get it")
        self._judge_arrivals(flow, number, message, counts, broken)

    def _there_since(self, session):
        """Until now, without a loss; the server has its presence."""
        return math.inf if session.incarnation.lost else self._began.get(session.incarnation, math.inf)

    def _judge_arrivals(self, flow, number, message, counts, broken):
        for arrivals in self._by_session(message).values() if flow.forked else [message.arrivals]:
            self._judge_repeats(self._name(flow, number), message, arrivals, counts, broken)

    @staticmethod
    def _name(flow, number):
        return f"m{flow.number}-{number} from {flow.sender.full} to {flow.to}"

    @staticmethod
    def _by_session(message):
        found = defaultdict(list)
        for arrival in message.arrivals:
            found[arrival.session].append(arrival)
        return found

    def _story(self, flow, message):
        """What happened to its sender and receivers about then, for who looks for the reason."""
        near = [
            f"{at:.2f} {session.full} {how}"
            for at, session, how, *_ in self.attached
            if session in (flow.sender, *flow.receivers) and message.sent - 15 < at < message.sent + 15
        ]
        return f"attached: {', '.join(near) or 'nobody anew'}"

    @staticmethod
    def _judge_repeats(name, message, arrivals, counts, broken):
        excess = len(arrivals) + bool(message.bounces) - 1
        if excess <= 0:
            return
        excused = message.resent + sum(arrival.unconfirmed() for arrival in arrivals)
        counts["repeats that XEP-0198 cannot rule out"] += min(excess, excused)
        if excess > excused:
            counts["REPEATED"] += 1
            where = [(a.session.full, a.incarnation.number, a.index, round(a.time, 2)) for a in arrivals]
            sent = f"sent at {message.sent:.2f}"
            broken.append(f"{name}: came {len(arrivals)} times: {where}, {sent}, bounced: {message.bounces}")

    def _judge_order(self, counts, broken):
        """What one session sent to another, to whichever address, came first in the order in which it was sent. What
        came to another than it was for, since that was lost, is a sequence of its own."""
        firsts = defaultdict(list)  # (message, its first arrival, its name)
        for flow in self.flows:
            for number, message in enumerate(flow.messages):
                for session, arrivals in self._by_session(message).items():
                    source = flow.sender if session in flow.receivers else flow.number
                    firsts[source, session].append((message, arrivals[0], self._name(flow, number)))
        for pairs in firsts.values():
            pairs.sort(key=lambda row: row[0].sent)
            for before, after in zip(pairs, pairs[1:]):
                if after[1].place < before[1].place:
                    self._judge_disorder(before, after, counts, broken)

    def _judge_disorder(self, before, after, counts, broken):
        """What a lost session did not acknowledge is owed once its time is over, and comes to the next one behind what
        that has had by then."""
        message, arrival, _ = before
        if message.sent < self._began.get(arrival.incarnation, 0):
            counts["late after a lost session"] += 1
            return
        counts["DISORDERED"] += 1
        early, late = (
            f"{name} (sent at {message.sent:.2f}, came at {arrival.time:.2f}, "
            f"incarnation {arrival.incarnation.number}, stanza {arrival.index})"
            for message, arrival, name in (after, before)
        )
        broken.append(f"at {arrival.session.full}: {early} came before {late}")

    def _judge_questions(self, counts, broken):
        for name, question in self.questions.items():
            counts["iqs asked"] += 1
            if not self._must_be_answered(question):
                counts["iqs whose asker was lost"] += 1
            elif not question.answers or self._answers_too_many(question):
                counts["IQ WRONG"] += 1
                asked = f"from {question.session.full} to {question.to and question.to.full or 'the server'}"
                broken.append(
                    f"iq {name} {asked}, sent at {question.sent:.2f}, "
                    f"was answered {len(question.answers)} times: {question.answers}"
                )
