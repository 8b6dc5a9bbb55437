"""Raw with XEP-0198's counters. It acknowledges nothing by itself: tests do, or do not."""

from xml.sax.saxutils import quoteattr

from rawxmpp import CLIENT, SM, Raw

COUNTED = {f"{{{CLIENT}}}{name}" for name in ("message", "presence", "iq")}
ENABLED, RESUMED, FAILED = (f"{{{SM}}}{name}" for name in ("enabled", "resumed", "failed"))
REQUEST, ACK = f"{{{SM}}}r", f"{{{SM}}}a"


class Managed(Raw):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sm_id = None
        self.counting = False
        self.handled = 0  # stanzas that came since <enabled/>: our h
        self.asked = 0  # <r/> that came; receive() does not show them

    async def _fill(self):
        known = len(self.parser.found)
        await super()._fill()
        for element in self.parser.found[known:]:
            if element.tag in (ENABLED, RESUMED):
                self.counting = True
            elif element.tag in COUNTED:
                self.handled += self.counting
            self.asked += element.tag == REQUEST
        self.parser.found[known:] = [element for element in self.parser.found[known:] if element.tag != REQUEST]

    async def ask(self, name, **attributes):
        """Sends one element of stream management; returns the next that comes."""
        written = "".join(f" {key}={quoteattr(str(value))}" for key, value in attributes.items())
        await self.send(f"<{name} xmlns='{SM}'{written}/>")
        return await self.receive()

    async def enable(self, **attributes):
        answer = await self.ask("enable", **({"resume": "true"} | attributes))
        if answer.tag == ENABLED:
            self.sm_id = answer.get("id")
        return answer

    async def acknowledge(self, h=None):
        await self.send(f"<a xmlns='{SM}' h='{self.handled if h is None else h}'/>")

    async def server_h(self):
        """What the server says that it has handled."""
        await self.send(f"<r xmlns='{SM}'/>")
        return int((await self.until(lambda e: e.tag == ACK)).get("h"))

    async def resume(self, old, h=None, previd=None):
        """Takes over the session of `old`, another connection. Returns the answer."""
        self.handled = old.handled if h is None else h
        answer = await self.ask("resume", previd=previd or old.sm_id, h=self.handled)
        if answer.tag == RESUMED:
            self.jid, self.sm_id = old.jid, old.sm_id
        return answer
