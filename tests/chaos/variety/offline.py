"""Messages to accounts whose clients come and go: each comes once, now or from the store."""

import asyncio

from world import DOMAIN

from variety.part import Part

SLEEPERS = tuple(f"z{n}" for n in range(6))
COLLECT_SECONDS = 30


class Offline(Part):
    ACCOUNTS = ("o0", "o1", *SLEEPERS)

    async def begin(self):
        senders = [self.stage.client(f"o{n}") for n in range(2)]
        self._flows = [
            self.stage.post.flow(sender, f"{account}@{DOMAIN}", kind, "one")
            for account in SLEEPERS
            for sender in senders
            for kind in ("chat", "")
        ]
        self._awake = {}
        self.stage.act("write to sleepers", self._write, 0, 0.015)
        for account in SLEEPERS:
            self.stage.act(f"wake {account}", lambda account=account: self._wake(account), 0.2, 1.5)

    async def _write(self):
        self.stage.post.send(self.random.choice(self._flows))

    async def _wake(self, account):
        """Who is awake when all come to rest stays so: nothing may be left in its store."""
        client = self._awake[account] = self.stage.client(
            account, self.stage.fresh("z"), resume_max=self.random.choice([3, None])
        )
        await self.stage.until(lambda: client.attached, f"{client.wanted} attached")
        await asyncio.sleep(self.random.uniform(0, 0.7))
        if self.stage.acting:
            del self._awake[account]
            await client.log_out()

    async def rest(self):
        """Who sleeps wakes, and is judged awake."""
        for account in SLEEPERS:
            if account not in self._awake:
                self._awake[account] = self.stage.client(account, self.stage.fresh("z"))

    async def judged(self):
        awake, self._awake = self._awake, {}
        await asyncio.gather(*(client.log_out() for client in awake.values()))
