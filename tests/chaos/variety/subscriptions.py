"""Subscriptions of pairs that change, one step after the other (RFC 6121 3). Whatever was answered and said again
meanwhile: at rest both sides' rosters must fit each other, what each client was told, and what was said last."""

import asyncio
from collections import Counter, deque

from rawxmpp import ROSTER, condition

from variety.client import PRESENCE, Item, Note
from variety.part import Part

STEP_SECONDS = 25
AGAIN_SECONDS = 0.3  # after an error, as a person would
PAIRS = 3
SPARE = 12  # pairs that take the places of those that went wrong
REMOVE = "remove"


class Step:
    """What one side does. `wants`: whose presence each is to see after it."""

    def __init__(self, kind, speaker, answer, wants, incarnations):
        self.kind, self.speaker, self.answer = kind, speaker, answer
        self.wants, self.incarnations = wants, incarnations
        self.answered = False


class Pair:
    def __init__(self, stage, one, other):
        self.stage = stage
        self.sides = (one, other)
        self._step = None
        self._said = {}  # id: (step, word)
        self._heard = Counter()  # (client, incarnation, id, word)
        self._owed = set()  # of the same
        self._story = deque(maxlen=6)
        for client in self.sides:
            client.listeners.append(self._hear)

    def other(self, client):
        return self.sides[client is self.sides[0]]

    def stored(self, client):
        return self.stage.database.contact(client.account, self.other(client).jid)

    # -- what is said -----------------------------------------------------------------------------------------------

    async def step(self):
        """Nothing more as long as the last one has not come to its end."""
        if any(client.sm_id is None or client.view is None for client in self.sides):
            return
        if self._step is not None and not self._done():
            return
        step = self._step = self._choose()
        self._tell(f"{step.kind} by {step.speaker.jid}, answer {step.answer}")
        if step.kind == REMOVE:
            self._remove(step)
        else:
            self._say(step.speaker, step, step.kind)
        await self._end(step)

    def _choose(self):
        random = self.stage.random
        one = random.choice(self.sides)
        other = self.other(one)
        wants = {client: self._seen(client).subscription in ("to", "both") for client in self.sides}
        answer = None
        if not wants[one]:
            answer = random.choice(["subscribed", "subscribed", "unsubscribed"])
            kind, speaker, wants[one] = "subscribe", one, answer == "subscribed"
        else:
            kind, speaker = random.choice([("unsubscribe", one), ("unsubscribed", other), (REMOVE, one)])
            wants[one] = False
            wants[other] &= kind != REMOVE
        self.stage.counts["subscription steps"] += 1
        return Step(kind, speaker, answer, wants, [client.incarnation for client in self.sides])

    async def _end(self, step):
        """Or what was waited for: it is judged at rest."""
        deadline = self.stage.now() + STEP_SECONDS
        while not self._done() and self.stage.now() < deadline:
            await asyncio.sleep(0.03)

    def _done(self):
        """As far as the clients can tell."""
        expected = {client: _word(self._step.wants[client], self._step.wants[self.other(client)]) for client in self.sides}
        shown = all(self._seen(client) == Item("", expected[client]) for client in self.sides)
        return shown and not any(self._unheard()) and all(self._step.wants[client] == self._sees(client) for client in self.sides)

    def _seen(self, client):
        return (client.view or {}).get(self.other(client).jid, Item())

    def _sees(self, client):
        return self.stage.sight.sees(client, self.other(client).wanted) is not None

    def _say(self, client, step, word):
        name = self.stage.fresh("s")
        self._said[name] = (step, word)
        hearer = self.other(client)
        if word == step.kind or not step.answered:
            self._owed.add((hearer, hearer.incarnation, name, word))
        step.answered |= word == step.answer
        # The space: a session that was lost says it again.
        client.send(f" <presence type='{word}' id='{name}' to='{hearer.jid}'/>", Note())

    def _remove(self, step):
        item = f"<item jid='{self.other(step.speaker).jid}' subscription='remove'/>"
        question = self.stage.inquiry.ask(step.speaker, None, "set", f"<query xmlns='{ROSTER}'>{item}</query>")
        self.stage.spawn(self._remove_again(step, question))

    async def _remove_again(self, step, question):
        while not question.answers and step.speaker.incarnation is question.incarnation:
            await asyncio.sleep(0.03)
        if question.answers and question.answers[0][1] not in (None, "item-not-found"):
            self._tell(f"removal refused: {question.answers}")
            await asyncio.sleep(AGAIN_SECONDS)
            if step is self._step:
                self._remove(step)

    def _tell(self, what):
        self._story.append(f"{what} {self.stage.now():.2f}")

    # -- what is heard ----------------------------------------------------------------------------------------------

    def _hear(self, client, element):
        kind, name = element.get("type") or "", element.get("id")
        if element.tag != PRESENCE:
            return
        if kind == "error" and name in self._said:
            self._bounced(client, name, condition(element))
        elif kind.startswith(("subscribe", "unsubscribe")):
            key = (client, client.incarnation, name, kind)
            self._heard[key] += 1
            if self._heard[key] > 1 and name:  # appendix A: it changes nothing, so it is not delivered
                self.stage.broken(f"subscription stanza repeated at {client.wanted}: {element.attrib}, {list(self._story)}")
            if kind == "subscribe" and self._step and self._step.answer:
                self._say(client, self._step, self._step.answer)

    def _bounced(self, client, name, why):
        step, word = self._said[name]
        self.stage.counts[f"subscription bounced: {why}"] += 1
        self._tell(f"{word} of {client.jid} bounced, {why}")
        self._owed = {key for key in self._owed if key[2] != name}
        if step is self._step:
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._say_again, client, step, word)

    def _say_again(self, client, step, word):
        if step is self._step:
            self._say(client, step, word)

    # -- the verdict ------------------------------------------------------------------------------------------------

    def check(self):
        for client in self.sides:
            for wrong in self._wrong(client, self.stored(client), self.stored(self.other(client))):
                yield f"{client.jid} and {self.other(client).jid}: {wrong}; {list(self._story)}"
        for hearer, _, name, word in self._unheard():
            yield f"{word} {name} was not heard by {hearer.jid}; {list(self._story)}"

    def _unheard(self):
        return (owed for owed in self._owed if owed[0].incarnation is owed[1] and not self._heard[owed])

    def _wrong(self, client, mine, theirs):
        if mine.to != theirs.has_from:
            yield f"rosters do not fit: {mine.subscription} and {theirs.subscription}"
        if mine.ask != theirs.pending_in:
            yield f"requests do not fit: ask={mine.ask}, pending in={theirs.pending_in}"
        if client.view is not None and self._seen(client) != (mine.item or Item()):
            yield f"pushes told {self._seen(client)}, stored is {mine.item}"
        if self._sees(client) != mine.to:
            yield f"subscription {mine.subscription}, sees {self.stage.sight.log(client)[self.other(client).wanted]}"
        if mine.approved:
            yield "the contact is approved beforehand (RFC 6121 3.4): an answer came when nothing was asked any more"
        if self._nobody_was_lost() and mine.to != self._step.wants[client]:
            yield f"not what was said last: {mine.subscription}"

    def _nobody_was_lost(self):
        return self._step and self._step.incarnations == [client.incarnation for client in self.sides]

    def forget(self):
        """The next step begins from what there is."""
        self._step = None
        self._owed.clear()
        self._heard.clear()


def _word(to, has_from):
    return {(False, False): "none", (True, False): "to", (False, True): "from", (True, True): "both"}[to, has_from]


class Subscriptions(Part):
    ACCOUNTS = tuple(f"{side}{n}" for n in range(PAIRS + SPARE) for side in "uv")

    async def begin(self):
        self._next = 0
        self._pairs = [self._new_pair() for _ in range(PAIRS)]
        for at in range(PAIRS):
            self.stage.act(f"pair {at}", lambda at=at: self._pairs[at].step(), 0, 0.1)

    def _new_pair(self):
        number = self._next % (PAIRS + SPARE)
        self._next += 1
        one, other = (self.stage.client(f"{side}{number}", self.stage.fresh("r"), fickle=True) for side in "uv")
        return Pair(self.stage, one, other)

    def check(self):
        for pair in self._pairs:
            yield from pair.check()

    async def judged(self):
        """A pair that went wrong would go on to be wrong."""
        for at, pair in enumerate(self._pairs):
            if any(pair.check()):
                self._pairs[at] = self._new_pair()
                await asyncio.gather(*(client.log_out() for client in pair.sides))
            pair.forget()
