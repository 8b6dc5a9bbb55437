"""Every type of message to an account with several resources of different priorities (RFC 6121 8.5)."""

from world import DOMAIN

from variety.part import Part


class Resources(Part):
    ACCOUNTS = ("m", "n")

    async def begin(self):
        priorities = {"a": 5, "b": 5, "c": 0, "d": -1}
        a, b, c, d = (self.stage.client("m", name, priority=p) for name, p in priorities.items())
        self._sender = self.stage.client("n")
        present = [a, b, c, d, self._sender]
        await self.stage.until(lambda: all(client.settle() for client in present), "resources bound")
        bare, missing = f"m@{DOMAIN}", f"m@{DOMAIN}/missing"
        self._flows = [
            self._flow(bare, "chat", "each", a, b),
            self._flow(bare, "", "each", a, b),
            self._flow(bare, "headline", "each", a, b, c),
            self._flow(bare, "groupchat", "bounce"),
            self._flow(missing, "chat", "each", a, b),
            self._flow(missing, "", "bounce"),
            self._flow(missing, "headline", "bounce"),
            self._flow(missing, "groupchat", "bounce"),
            self._flow(a.wanted, "groupchat", "one"),
            self._flow(d.wanted, "headline", "one"),
            self._flow(d.wanted, "", "one"),
        ]
        self.stage.act("write to resources", self._write, 0, 0.05)

    def _flow(self, to, kind, mode, *receivers):
        return self.stage.post.flow(self._sender, to, kind, mode, receivers=receivers)

    async def _write(self):
        self.stage.post.send(self.random.choice(self._flows))
