"""What every subject has: accounts, clients that act, and what must hold at rest."""


class Part:
    ACCOUNTS = ()

    def __init__(self, stage):
        self.stage = stage
        self.random = stage.random

    async def begin(self):
        """Its clients bind; its actors are handed to Stage.act()."""

    async def rest(self):
        """Nobody acts any more, all processes run: what else has to happen before it is judged."""

    def check(self):
        """Yields what is not right, or not yet."""
        return ()

    async def judged(self):
        """The next round begins after this."""
