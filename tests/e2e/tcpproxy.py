"""A TCP proxy whose links can be held (a partition: packets go nowhere, nobody is told) or cut (connections are reset,
new ones too). Tests use Link in their own loop; between services it is a process of its own.

Run: tcpproxy.py with a JSON object {link: target port} on the first line of standard input, answered with {link: port
to dial}; then lines `hold LINK ...`, `cut LINK ...`, `release LINK ...`, each answered with `ok`. Ends with its input.
"""

import asyncio
import json
import sys

FREE, HELD, CUT = "free", "held", "cut"


class Side(asyncio.Protocol):
    """One half of a connection; `other` is the half on the other side."""

    def __init__(self, link, other=None):
        self.link = link
        self.other = other
        self.transport = None
        self.early = b""  # came before it could go on

    def connection_made(self, transport):
        self.transport = transport
        self.link.sides.add(self)

    def open(self):
        return self.link.state == FREE and self.other is not None and self.other.transport is not None

    def apply(self):
        """Does as the link's state says."""
        if self.link.state == CUT:
            self.transport.abort()
        elif self.open():
            early, self.early = self.early, b""
            if early:
                self.other.transport.write(early)
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def data_received(self, data):
        if self.open():
            self.other.transport.write(data)
        else:
            # asyncio begins to read after connection_made(), whatever that said.
            self.early += data
            self.transport.pause_reading()

    def pause_writing(self):
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self):
        if self.other is not None and self.other.open():
            self.other.transport.resume_reading()

    def connection_lost(self, exc):
        self.link.sides.discard(self)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.abort() if exc else self.other.transport.close()


class Front(Side):
    """From the one who dialled. The target is dialled when the link is free."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self.apply()
        self.dialling = asyncio.ensure_future(self._dial())

    async def _dial(self):
        await self.link.free.wait()
        back = Side(self.link, self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: back, "127.0.0.1", self.link.target)
        except OSError:
            self.transport.abort()
            return
        if self.transport.is_closing():
            back.transport.abort()
            return
        self.other = back
        self.apply()
        back.apply()


class Link:
    front = Front

    def __init__(self, target):
        self.target = target
        self.state = FREE
        self.sides = set()
        self.free = asyncio.Event()
        self.free.set()

    def turn(self, state):
        self.state = state
        if state == FREE:
            self.free.set()
        else:
            self.free.clear()
        for side in list(self.sides):
            side.apply()

    async def listen(self):
        """The port."""
        server = await asyncio.get_running_loop().create_server(lambda: self.front(self), "127.0.0.1", 0, backlog=1024)
        return server.sockets[0].getsockname()[1]


async def main():
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    plan = json.loads(await commands.readline())
    links = {name: Link(target) for name, target in plan.items()}
    print(json.dumps({name: await link.listen() for name, link in links.items()}), flush=True)
    while line := (await commands.readline()).decode().split():
        for name in line[1:]:
            links[name].turn({"hold": HELD, "cut": CUT, "release": FREE}[line[0]])
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
