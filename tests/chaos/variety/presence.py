"""Presence: broadcast, directed, of guests that come and go; nobody is seen going who stays, and nobody stays a ghost."""

import asyncio
from collections import defaultdict

from rawxmpp import CLIENT

from variety.client import PRESENCE
from variety.part import Part

GONE = "gone"
PROBE_SECONDS = 5  # after which the answer to a new session's probe does not cross a broadcast any more


class Sight:
    """Who saw what of whom. A listener of every client."""

    def __init__(self, stage):
        self.stage = stage
        self.watched = []  # (watcher, owner, status that it must see; None: whatever it sees)
        self._logs = {}  # watcher: (its incarnation, {full JID: events})

    def watch(self, watcher, owner, expected=None):
        self.watched.append((watcher, owner, expected or (lambda: owner.announced)))

    def log(self, watcher):
        incarnation, log = self._logs.get(watcher, (None, None))
        if incarnation is not watcher.incarnation:
            log = defaultdict(list)
            self._logs[watcher] = (watcher.incarnation, log)
        return log

    def sees(self, watcher, full):
        """Its last status; None: not, or not any more."""
        events = self.log(watcher)[full]
        return events[-1] if events and events[-1] != GONE else None

    def __call__(self, watcher, element):
        full = element.get("from") or ""
        if element.tag != PRESENCE or "/" not in full or full.startswith(f"{watcher.jid}/"):
            return
        if element.get("type") == "unavailable":
            self._see(watcher, full, GONE)
        elif element.get("type") is None:
            self._see(watcher, full, element.findtext(f"{{{CLIENT}}}status"))

    def _see(self, watcher, full, what):
        events = self.log(watcher)[full]
        self.stage.counts["presences"] += 1
        if what in events[-1:]:  # no rule forbids it
            probing = self.stage.now() - watcher.incarnation.began < PROBE_SECONDS
            self.stage.counts["presences repeated" if not probing else "presences that crossed a probe"] += 1
            return
        events.append(what)
        if wrong := self._out_of_order(full, events):
            self.stage.broken(f"{wrong}: {self._story(watcher, full)} at {self.stage.now():.2f}")

    def _out_of_order(self, full, events):
        what, before = events[-1], events[-2] if len(events) > 1 else None
        if GONE not in (what, before) and before is not None and _order(what) < _order(before):
            return "presence went back"
        if before == GONE and len(events) > 2 and _order(what) <= _order(events[-3]) and not self._fickle(full):
            return "presence after unavailable"
        return None

    def _fickle(self, full):
        owner = self.stage.owners.get(full)
        return owner is None or owner.fickle

    def _story(self, watcher, full):
        return f"{watcher.wanted} (incarnation {watcher.incarnation.number}) saw of {full} {self.log(watcher)[full][-8:]}"

    def pending(self):
        for watcher, owner, expected in self.watched:
            seen = self.sees(watcher, owner.wanted)
            if owner.over and seen is not None:
                yield f"ghost: {self._story(watcher, owner.wanted)}"
            elif not owner.over and (status := expected()) not in (None, seen):
                yield f"stale: {self._story(watcher, owner.wanted)}, not {status}"

    def judge(self):
        for watcher, (_, log) in self._logs.items():
            for full, events in log.items():
                self._judge_flicker(watcher, full, events)
                del events[:-1]
        self.watched = [row for row in self.watched if not row[1].over]

    def _judge_flicker(self, watcher, full, events):
        owner = self.stage.owners.get(full)
        if owner is None or owner.over or owner.fickle:
            return
        for before, after in zip(events, events[1:]):
            if after == GONE != before and _order(before)[0] == owner.incarnation.number:
                self.stage.broken(f"flicker, {full} was there all the time: {self._story(watcher, full)}")


def _order(status):
    return [int(part) for part in status.split(".")]


class Presence(Part):
    OWNERS, WATCHERS, GUESTS = ([f"{letter}{n}" for n in range(count)] for letter, count in (("b", 3), ("w", 3), ("k", 4)))
    ACCOUNTS = (*OWNERS, *WATCHERS, *GUESTS, "s")

    async def begin(self):
        self._watchers = [self.stage.client(account) for account in self.WATCHERS]
        self._owners = [self.stage.client(account) for account in self.OWNERS]
        self._stranger = self.stage.client("s")
        present = [*self._watchers, *self._owners, self._stranger]
        await self.stage.until(lambda: all(client.settle() and client.view is not None for client in present), "watchers")
        for owner in self._owners:
            await self._befriend(owner)
            for watcher in self._watchers:
                self.stage.sight.watch(watcher, owner)
        await asyncio.gather(*(self._introduce(account) for account in self.GUESTS))
        self._show_stranger(self._owners[0])
        self.stage.act("speak", self._speak, 0, 0.1)
        for account in self.GUESTS:
            self.stage.act(f"visit of {account}", lambda account=account: self._visit(account), 0, 0.5)

    async def _introduce(self, account):
        client = self.stage.client(account, "first")
        await self.stage.until(client.settle, f"{account} settled")
        await self._befriend(client)
        await client.log_out()

    async def _befriend(self, owner):
        await asyncio.gather(*(self.stage.befriend(watcher, owner) for watcher in self._watchers))

    def _show_stranger(self, owner):
        owner.direct(self._stranger)
        self.stage.sight.watch(self._stranger, owner, lambda: owner.directed_to(self._stranger))

    async def _speak(self):
        owner = self.random.choice(self._owners)
        if owner.sm_id is None:
            return
        if owner is self._owners[0] and self.random.random() < 0.5:
            owner.direct(self._stranger)
        else:
            owner.announce()

    async def _visit(self, account):
        how = self.random.choice(["close", "unavailable", "abandon"])
        resume_max = self.random.choice([1, 2, None])
        if how == "abandon":
            resume_max = resume_max or 2
        guest = self.stage.client(account, self.stage.fresh("g"), resume_max=resume_max)
        await self.stage.until(lambda: guest.attached, f"{guest.wanted} attached")
        for watcher in self._watchers:
            self.stage.sight.watch(watcher, guest)
        if self.random.random() < 0.5:
            self._show_stranger(guest)
        if self.random.random() < 0.5:
            self._question(guest)
        await asyncio.sleep(self.random.uniform(0, 1))
        if how == "abandon":
            guest.abandon()
        else:
            await guest.log_out(unavailable=how == "unavailable")

    def _question(self, guest):
        """Requests that it may not have answered when it goes."""
        guest.slowness = 1.0
        for watcher in self._watchers:
            self.stage.inquiry.ask(watcher, guest.wanted, "get", "<q xmlns='variety'/>")
