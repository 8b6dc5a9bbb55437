"""Numbered messages of every type, and whether each came where it had to."""

from collections import Counter

from rawxmpp import body, condition

from variety.client import MESSAGE, Note

LARGE_SHARE = 0.004
LARGE_BYTES = [70_000, 200_000, 261_000]  # the limit is 256 KiB
UNSETTLED_SECONDS = 0.2  # in which an edge says that it took something (link.idle_ack_delay)


def bare(jid):
    return jid.split("/")[0]


class Letter(Note):
    def __init__(self, at):
        super().__init__()
        self.sent = at
        self.bounces = []
        self.arrivals = []  # (client, its incarnation, index of the stanza in it, time)
        self.reported = False
        self.forgiven = False  # if it never comes

    @property
    def latest(self):
        """When it was handed on at the latest, as far as known."""
        return self.sent if self.acknowledged_at is None else self.acknowledged_at

    def came_to(self, client, until):
        return any(who is client and at <= until for who, *_, at in self.arrivals)

    @property
    def came(self):
        return len(self.arrivals) + len(self.bounces)

    def decided(self):
        return self.arrivals or self.bounces

    def parted(self):
        """Repeats that came when the receiver before had logged out."""
        pairs = zip(self.arrivals, self.arrivals[1:])
        return sum(
            client.over and client.over_since < later and who.kept(index)
            for (client, who, index, _), (*_, later) in pairs
        )  # fmt: skip

    def unsettled(self):
        """Whether it came to a client without stream management, but its edge stood still before it said so, until it was
        taken for dead. Then it is answered as for who is gone."""
        if len(self.arrivals) != 1 or len(self.bounces) != 1:
            return False
        client, *_, at = self.arrivals[0]
        return client.absence is not None and abs(at - client.absence.began) < UNSETTLED_SECONDS

    def kept(self):
        """Who had copies for good. The others may come again: XEP-0198 cannot rule that out."""
        return [client for client, who, index, _ in self.arrivals if who.kept(index)]

    def may_come_again(self):
        return self.resent or len(self.kept()) < len(self.arrivals)


class Flow:
    """Messages of one client to one address. `mode`: one: exactly one session gets each, or it bounces. each: each of
    `receivers`. bounce: nobody."""

    def __init__(self, name, sender, to, kind, mode, receivers=(), ordered=True):
        self.name, self.sender, self.to, self.kind, self.mode = name, sender, to, kind, mode
        self.receivers, self.ordered = receivers, ordered
        self.stay()
        self.letters = {}
        self.late, self.judged = {}, {}  # of the round before: what a lost session had not acknowledged may come again
        self.next = 0

    def __str__(self):
        return f"{self.name} {self.kind or 'normal'} of {self.sender.wanted} to {self.to}"

    def stay(self):
        """Who is there is owed what comes from now on, until its session is lost."""
        self.there = {client: client.incarnation for client in (self.sender, *self.receivers)}

    def _stayed(self, client):
        return client.incarnation is self.there[client]

    def find(self, number):
        return self.letters.get(number) or self.late.get(number)

    def _is_for(self, client):
        return client in self.receivers if self.mode == "each" else client.jid == bare(self.to)

    def strangers(self, letter):
        """To whom it or its bounce came, and had not to."""
        told = [wanted for _, wanted in letter.bounces if bare(wanted) != self.sender.jid]
        return told + [client.wanted for client, *_ in letter.arrivals if not self._is_for(client)]

    def copies(self, letter):
        """For good, with him who has most."""
        kept = letter.kept()
        return max(Counter(kept).values(), default=0) if self.mode == "each" else len(kept) + len(letter.bounces)

    def lacks(self, letter):
        """What has not become of it, in words; None: all is well."""
        if self.mode == "each":
            came = {client for client, *_ in letter.arrivals}
            missing = [r.wanted for r in self.receivers if r not in came and self._stayed(r)]
            return f"not at {missing}" if missing else None
        if self.mode == "bounce":
            return "not bounced" if self._stayed(self.sender) and not letter.bounces else None
        return None if letter.decided() or letter.forgiven else "LOST"


class Post:
    """All flows. A listener of every client."""

    def __init__(self, stage):
        self.stage = stage
        self.flows = {}

    def flow(self, *arguments, **named):
        flow = Flow(f"m{len(self.flows)}", *arguments, **named)
        self.flows[flow.name] = flow
        return flow

    def send(self, flow):
        letter = flow.letters[flow.next] = Letter(self.stage.now())
        name = f"{flow.name}-{flow.next}"
        flow.next += 1
        random, large = self.stage.random, ""
        if random.random() < LARGE_SHARE:
            large = f"<pad xmlns='variety'>{'x' * random.choice(LARGE_BYTES)}</pad>"
        kind = f" type='{flow.kind}'" if flow.kind else ""
        flow.sender.send(f"<message to='{flow.to}'{kind} id='{name}'><body>{name}</body>{large}</message>", letter)
        self.stage.counts["messages"] += 1

    def __call__(self, client, element):
        if element.tag != MESSAGE:
            return
        name, _, number = (element.get("id") or "").partition("-")
        letter = self.flows[name].find(int(number)) if name in self.flows else None
        if letter is None:
            self.stage.broken(f"{client.wanted}: a message of an earlier round or of nobody: {element.attrib}")
        elif element.get("type") == "error":
            letter.bounces.append((condition(element), client.wanted))
        else:
            sender = self.flows[name].sender.wanted
            if body(element) != element.get("id") or element.get("from") != sender:
                self.stage.broken(f"{client.wanted}: message {element.get('id')} of {sender} is not as it was sent")
            index = client.received if client.sm_id else 0
            letter.arrivals.append((client, client.incarnation, index, self.stage.now()))

    def forgive(self, exposed):
        """What came to nobody, on its way to a client while that was exposed. Not what something came behind."""
        since, until = exposed.under(self.stage.fault)
        for flow in self.flows.values():
            for letter in reversed(list(flow.letters.values()) if flow.to == exposed.client.wanted else []):
                if letter.came_to(exposed.client, until):
                    break
                under_way = letter.sent <= until and letter.latest >= since
                if letter.acknowledged and not letter.decided() and not letter.forgiven and under_way:
                    letter.forgiven = True
                    self.stage.counts["written to a client without stream management that is gone"] += 1

    # -- the verdict ------------------------------------------------------------------------------------------------

    def pending(self):
        for flow, number, letter in self._letters():
            if letter.acknowledged and not letter.reported and (lack := flow.lacks(letter)):
                yield f"{flow}, number {number}, sent {letter.sent:.2f}: {lack}{self._kept(flow)}"

    def _kept(self, flow):
        count = self.stage.database.offline().get(flow.to.split("@")[0])
        return f" ({count} messages are in the account's store)" if count else ""

    def _letters(self):
        return ((flow, number, letter) for flow in self.flows.values() for number, letter in flow.letters.items())

    def judge(self):
        for flow, number, letter in self._letters():
            self._judge(flow, number, letter)
        for flow in self.flows.values():
            for number, letter in flow.late.items():
                if letter.came > flow.judged[number]:
                    self._judge(flow, number, letter)
            if flow.ordered:
                self._judge_order(flow)
            flow.late = {n: letter for n, letter in flow.letters.items() if letter.decided() and letter.may_come_again()}
            flow.judged = {n: letter.came for n, letter in flow.late.items()}
            # What is owed was told once. It may come yet.
            flow.letters = {n: letter for n, letter in flow.letters.items() if letter.acknowledged and not letter.decided()}
            for letter in flow.letters.values():
                letter.reported = True
            flow.stay()

    def _judge(self, flow, number, letter):
        where = [(client.wanted, who.number, index, round(at, 2)) for client, who, index, at in letter.arrivals]
        story = f"{flow}, number {number}, sent {letter.sent:.2f}, came {where}, bounced {letter.bounces}, resent {letter.resent}"
        if flow.mode == "bounce" and letter.arrivals or flow.mode == "each" and letter.bounces:
            self.stage.broken(f"misplaced: {story}")
        if letter.bounces and flow.mode == "one" and flow.to == bare(flow.to) and self.stage.calm:
            self.stage.broken(f"bounced without need: {story}")
        if strangers := flow.strangers(letter):
            self.stage.broken(f"not for {strangers}: {story}")
        excess = flow.copies(letter) - 1 - letter.resent
        if excess == 1 and letter.unsettled():
            self.stage.counts["BOUNCED though it had come, as its edge stood still (known)"] += 1
        elif excess > (letter.parted() if self.stage.forgetful else 0):
            self.stage.broken(f"repeated: {story}")
        elif excess > 0:
            self.stage.counts["REPEATED to who had logged out meanwhile (known)"] += 1

    def _judge_order(self, flow):
        """Of a sender that lost no session, within one incarnation of a receiver. What a lost session of the receiver's
        had not acknowledged comes behind what the next one has had by then. Where all is calm what comes to one after
        the other of an account's clients keeps its order, too."""
        together = flow.mode == "one" and self.stage.calm
        last = {}
        for number, letter in flow.letters.items():
            arrivals = [] if letter.resent else letter.arrivals[:1] if flow.mode == "one" else letter.arrivals
            for client, who, index, at in arrivals:
                receiver = client.jid if together else (client, who)
                before, late = last.get(receiver, ((), None))
                last[receiver] = ((at, index), number)
                if (at, index) >= before:
                    continue
                if flow.letters[late].sent < who.began and client.jid in self.stage.bereft:
                    self.stage.counts["late after a lost session"] += 1
                    continue
                self.stage.broken(
                    f"disordered: {flow}, number {number} came at stanza {index} of {client.wanted} ({who.number}, "
                    f"begun {who.began:.2f}) before {late}, sent {flow.letters[late].sent:.2f}: {before}"
                )
