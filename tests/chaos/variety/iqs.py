"""Requests to the server, to clients that answer soon, late or never again, and to addresses where nobody is."""

from rawxmpp import condition
from world import DOMAIN

from variety.client import IQ, PING, Note
from variety.part import Part

PAYLOADS = [
    PING, "<query xmlns='jabber:iq:version'/>", "<q xmlns='variety'/>", "<vCard xmlns='vcard-temp'/>",
    "<query xmlns='http://jabber.org/protocol/disco#info'/>", "<time xmlns='urn:xmpp:time'/>",
]  # fmt: skip
LARGE_SHARE = 0.01


class Question(Note):
    def __init__(self, client, to, at):
        super().__init__()
        self.client, self.incarnation, self.to, self.at = client, client.incarnation, to, at
        self.told = client.told
        self.answers = []  # (type, condition, time)
        self.seen = []  # (client, incarnation, index of the stanza in it) that got the request

    def owed(self):
        """Whether the asker must get an answer: the session that knows that the server took it lives."""
        there = self.client.incarnation is self.taken_in and not self.taken_in.lost
        return self.acknowledged and there and not self.missed()

    def missed(self):
        """Whether the answer may have come while the asker was gone for routers: nobody keeps it."""
        absence = self.client.absence
        return absence is not None and self.at < absence.healed

    def strangers(self):
        return [client.wanted for client, *_ in self.seen if client.wanted != self.to]

    def seen_too_often(self):
        return sum(who.kept(index) for _, who, index in self.seen) > 1 + self.resent

    def parted(self):
        """How many had got it, and logged out. They do not answer again, as one does whose session was lost before."""
        return sum(client.over and client.incarnation is who and who.kept(index) for client, who, index in self.seen)

    def excess_answers(self):
        return len(self.answers) - 1 - self.resent - sum(who.lost for _, who, _ in self.seen) + self.parted()

    def __str__(self):
        seen = [(client.wanted, who.number, index) for client, who, index in self.seen]
        return (
            f"iq of {self.client.wanted} to {self.to or 'the server'}, sent {self.at:.2f}, answers {self.answers}, "
            f"seen by {seen}, resent {self.resent}"
        )


class Inquiry:
    """All requests. A listener of every client."""

    def __init__(self, stage):
        self.stage = stage
        self.questions = {}

    def ask(self, client, to, kind, payload):
        name = self.stage.fresh("i")
        question = self.questions[name] = Question(client, to, self.stage.now())
        address = f" to='{to}'" if to else ""
        # Two spaces: a session that was lost says it again, as its client waits for the answer.
        client.send(f"<iq  type='{kind}' id='{name}'{address}>{payload}</iq>", question)
        return question

    def __call__(self, client, element):
        question = self.questions.get(element.get("id")) if element.tag == IQ else None
        if question is None:
            return
        if element.get("type") in ("get", "set"):
            question.seen.append((client, client.incarnation, client.received if client.sm_id else 0))
            return
        if client is not question.client:
            self.stage.broken(f"answer at {client.wanted}: {question}")
            return
        question.answers.append((element.get("type"), condition(element), round(self.stage.now(), 2)))
        if question.to is None and question.incarnation is client.incarnation:
            client.incarnation.confirmed = max(client.incarnation.confirmed, question.told)

    def pending(self):
        for question in self.questions.values():
            if question.owed() and not question.answers:
                yield f"unanswered: {question}"

    def judge(self):
        for question in self.questions.values():
            excess = question.excess_answers()
            if excess > (question.parted() if self.stage.forgetful else 0):
                self.stage.broken(f"answered too often: {question}")
            elif excess > 0:
                self.stage.counts["iqs ANSWERED again for who had logged out meanwhile (known)"] += 1
            if question.seen_too_often():
                self.stage.broken(f"asked too often: {question}")
            if question.strangers():
                self.stage.broken(f"not for {question.strangers()}: {question}")
            self.stage.counts["iqs"] += 1
        self.questions = {}


class Iqs(Part):
    ACCOUNTS = tuple(f"q{n}" for n in range(6))

    async def begin(self):
        self._askers = [self.stage.client(account) for account in self.ACCOUNTS]
        for asker, slowness in zip(self._askers, (0.01, 0.1, 1)):
            asker.slowness = slowness
        self.stage.act("ask", self._ask, 0, 0.04)

    async def _ask(self):
        client = self.random.choice(self._askers)
        if client.sm_id is None:
            return
        payload = self.random.choice(PAYLOADS)
        if self.random.random() < LARGE_SHARE:
            payload = f"<q xmlns='variety'>{'y' * 200_000}</q>"
        kind = self.random.choice(["get", "get", "set"])
        self.stage.inquiry.ask(client, self._somebody(client), kind, payload)

    def _somebody(self, client):
        others = [asker.wanted for asker in self._askers if asker is not client]
        lately = list(self.stage.owners)[-30:]
        lately = self.random.sample(lately, min(4, len(lately)))
        return self.random.choice([None, DOMAIN, client.jid, f"q5@{DOMAIN}", *others, *others, *lately])
