"""Raw with XEP-0198's counters, and what tests of resumption share. It acknowledges nothing by itself: tests do, or do
not."""

from xml.sax.saxutils import quoteattr

from rawxmpp import CLIENT, SM, Raw, befriend, body, condition, is_message, is_presence

PASSWORD = "correct horse"

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


async def managed(world, jid, edge=0, resource=None, available=True, **attributes):
    """Bound, with stream management; available to contacts, as World.login()."""
    raw = await Managed.login(world.edges[edge]["xmpp"], jid, PASSWORD, world.context, resource)
    answer = await raw.enable(**attributes)
    assert answer.tag == ENABLED, answer.tag
    if available:
        await raw.roster()
        await raw.available()
    return raw


async def authenticated(world, jid, edge=0):
    return await Managed.authenticated(world.edges[edge]["xmpp"], jid.split("/")[0], PASSWORD, world.context)


async def resumed(world, old, edge=0, h=None):
    raw = await authenticated(world, old.jid, edge)
    answer = await raw.resume(old, h)
    assert answer.tag == RESUMED, condition(answer)
    assert answer.get("previd") == old.sm_id
    return raw, int(answer.get("h"))


async def friends(world, edge=0, **attributes):
    """A user with stream management and a contact without, on another edge; nothing left to receive."""
    user = await managed(world, world.account(), edge, **attributes)
    contact = await world.login(world.account(), 1 - edge)
    await befriend(user, contact)
    return user, contact


async def send_numbered(raw, to, numbers, kind="chat"):
    for number in numbers:
        await raw.message(to, str(number), kind)


async def bodies(raw, count):
    return [body(await raw.until(is_message)) for _ in range(count)]


def presences(elements):
    return [(element.get("from"), element.get("type")) for element in elements if is_presence(element)]


async def unavailable_once(contact, jid):
    """Waits for it, and sees to it that nothing else of that JID comes."""
    gone = await contact.until(is_presence)
    assert (gone.get("from"), gone.get("type")) == (jid, "unavailable")
    assert not presences(await contact.sync())
