"""Two resources of an account edit its roster: at rest the database has what was answered, every client was told it,
and who logs in reads it. A push may come again (RFC 6121 does not forbid it), but not an older one after a newer."""

from rawxmpp import ROSTER

from variety.client import IQ
from variety.part import Part

CONTACTS = 4


class Rosters(Part):
    ACCOUNTS = ("e",)

    async def begin(self):
        self._expected = {}  # jid: names that it may have; an empty name: not there
        self._pushed = {}  # (client, incarnation, jid): the newest edition
        self._editions = 0
        self._reader = None
        self._editors = [self.stage.client("e", f"e{n}") for n in range(2)]
        for editor in self._editors:
            editor.listeners.append(self._on_push)
            self.stage.act(f"edit as {editor.resource}", lambda editor=editor: self._edit(editor), 0, 0.2)

    async def _edit(self, client):
        """Each editor has contacts of its own: so it is known who came last."""
        if client.sm_id is None:
            return
        jid = f"{client.resource}-{self.random.randrange(CONTACTS)}@elsewhere.example"
        self._editions += 1
        name = str(self._editions) if self.random.random() < 0.8 else ""
        what = f"name='{name}'" if name else "subscription='remove'"
        item = f"<query xmlns='{ROSTER}'><item jid='{jid}' {what}/></query>"
        question = self.stage.inquiry.ask(client, None, "set", item)
        self._expected[jid] = self._expected.get(jid, {""}) | {name}
        lost = lambda: client.incarnation is not question.incarnation
        await self.stage.until(lambda: question.answers or lost(), f"roster set of {client.wanted} answered")
        if question.answers and not lost():
            self._answered(jid, name, question.answers[0])

    def _answered(self, jid, name, answer):
        """An error leaves open what was done, unless it says that there was nothing to remove."""
        kind, error, _ = answer
        self.stage.counts[f"roster set: {error or kind}"] += 1
        if kind == "result" or (error == "item-not-found" and not name):
            self._expected[jid] = {name}

    def _on_push(self, client, element):
        query = element.find(f"{{{ROSTER}}}query") if element.tag == IQ and element.get("type") == "set" else None
        for item in query if query is not None else ():
            if not item.get("name"):
                continue
            key, edition = (client, client.incarnation, item.get("jid")), int(item.get("name"))
            before = self._pushed.get(key, 0)
            if edition < before:
                self.stage.broken(f"{client.wanted}: push of {item.attrib} after edition {before}")
            elif edition == before:
                self.stage.counts["pushes repeated"] += 1
            self._pushed[key] = edition

    async def rest(self):
        self._reader = self.stage.client("e", self.stage.fresh("reader"))
        await self.stage.until(lambda: self._reader.settle() and self._reader.view is not None, "roster read")

    def check(self):
        stored = self.stage.database.roster("e")
        for client in (*self._editors, self._reader):
            if client.view is not None and client.view != stored:
                differ = {jid: (client.view.get(jid), stored.get(jid)) for jid in {*client.view, *stored}}
                differ = {jid: both for jid, both in differ.items() if both[0] != both[1]}
                yield f"what {client.wanted} knows of its roster and what is stored differ: {differ}"
        for jid, names in self._expected.items():
            name = stored[jid].name if jid in stored else ""
            if name not in names:
                yield f"roster item {jid} is {name!r}, not {names}"

    async def judged(self):
        """What went wrong was told once."""
        stored = self.stage.database.roster("e")
        self._expected = {jid: {item.name} for jid, item in stored.items()}
        for editor in self._editors:
            if editor.view != stored:
                editor.read_roster(editor.incarnation)
        await self._reader.log_out()
