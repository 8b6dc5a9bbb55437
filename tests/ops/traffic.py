"""Something of everything that the metrics tell apart: messages read, stored and refused, presence, rosters, logins
right and wrong, streams that end well and badly, an operator at work."""

import asyncio
import ssl

from managed import RESUMED, Managed
from rawxmpp import Raw

PASSWORD = "correct horse"
STRANGER = "nobody@localhost"


class Traffic:
    def __init__(self, cluster, accounts=4):
        self.cluster = cluster
        self.users = [f"user{n}@localhost" for n in range(accounts)]
        self.edges = [cluster.addresses(name)["xmpp"] for name in sorted(cluster.instances("c2s"))]
        self.context = ssl.create_default_context(cafile=cluster.ca_file)
        self.friends = False
        made = cluster.ctl("user", "import", "-", stdin="".join(f"{user} {PASSWORD}\n" for user in self.users))
        assert made.returncode == 0, made.stderr

    async def login(self, number):
        raw = await Raw.login(self.edges[number % len(self.edges)], self.users[number], PASSWORD, self.context)
        await raw.roster()
        await raw.available()
        return raw

    async def once(self):
        romeo, juliet = await self.login(0), await self.login(1)
        await self.become_friends(romeo, juliet)
        await self.talk(romeo, juliet)
        await self.ask(romeo)
        await self.fail_to_log_in()
        await self.leave_message_for(romeo, self.users[2])
        await self.lose_connection(self.users[3])
        await juliet.send("<broken></xml>")
        await juliet.ended()
        await romeo.close()
        assert self.cluster.ctl("sessions", "list").returncode == 0

    async def become_friends(self, romeo, juliet):
        if self.friends:
            return
        self.friends = True
        for one, other in ((romeo, juliet), (juliet, romeo)):
            await one.presence(type="subscribe", to=other.jid.split("/")[0])
            await other.until(lambda e: e.get("type") == "subscribe")
            await other.presence(type="subscribed", to=one.jid.split("/")[0])
            await one.until(lambda e: e.get("type") is None and e.get("from") == other.jid)

    async def talk(self, romeo, juliet, messages=20):
        for number in range(messages):
            await romeo.message(juliet.jid, f"wherefore {number}")
            await juliet.until(lambda e: e.tag.endswith("}message"))

    async def ask(self, romeo):
        assert (await romeo.iq("get", "<ping xmlns='urn:xmpp:ping'/>")).get("type") == "result"
        assert (await romeo.iq("get", "<unknown xmlns='urn:none'/>", to=STRANGER)).get("type") == "error"
        await romeo.message(STRANGER, "who is there?")
        await romeo.sync()

    async def fail_to_log_in(self):
        raw = await Raw.connect(self.edges[0], "localhost")
        await raw.open()
        await raw.starttls(self.context)
        await raw.open()
        answer = await raw.plain("user0", "wrong")
        assert answer.tag.endswith("}failure"), answer.tag
        raw.abort()

    async def leave_message_for(self, sender, absent):
        await sender.message(absent, "for later")
        await sender.sync()
        reader = await self.login(self.users.index(absent))
        await reader.until(lambda e: e.tag.endswith("}message"))
        await reader.close()

    async def lose_connection(self, user):
        """Resumed on the same edge, then on the other one."""
        managed = await Managed.login(self.edges[0], user, PASSWORD, self.context)
        await managed.enable()
        await managed.available()
        for edge in (0, 1):
            await managed.server_h()
            managed.abort()
            again = await Managed.authenticated(self.edges[edge], user, PASSWORD, self.context)
            assert (await again.resume(managed)).tag == RESUMED
            managed = again
        await managed.acknowledge()
        await managed.server_h()
        await managed.close()

    async def keep_on(self, over, pause=0.2):
        while not over():
            await self.once()
            await asyncio.sleep(pause)
