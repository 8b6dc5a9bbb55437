"""A resource that one client takes away from the other while a third writes to it (RFC 6120 7.7.2.2)."""

from world import DOMAIN

from variety.part import Part


class Conflicts(Part):
    ACCOUNTS = ("c", "t")

    async def begin(self):
        self._now = None
        writer = self.stage.client("t")
        self._flow = self.stage.post.flow(writer, f"c@{DOMAIN}/same", "chat", "one", ordered=False)
        self.stage.act("replace", self._replace, 0.1, 1.0)
        self.stage.act("write to the replaced", self._write, 0, 0.06)

    async def _write(self):
        if self._now is not None:
            self.stage.post.send(self._flow)

    async def _replace(self):
        old = self._now
        if old is not None:
            if not await self.stage.until(old.settle, "who is to be replaced settled"):
                return
            old.closing = True  # it does not fight back
        new = self._now = self.stage.client("c", "same")
        await self.stage.until(lambda: new.attached, "who replaces bound")
        if old is not None:
            old.abandon()

    async def rest(self):
        """Who logs in anew gets what was stored."""
        if self._now is not None:
            await self._replace()
