"""Order where edges give up a router that stands still at different times."""

import asyncio

import pytest

from faults import frozen
from managed import bodies, managed, send_numbered
from proxied import ProxiedCluster
from rawxmpp import body, is_message
from test_faults import eventually, in_thread
from test_limits import metric

ACCOUNTS = 8  # some of them have their home at either router


@pytest.mark.parametrize("farewell", ["", "<presence type='unavailable'/>"])
async def test_what_was_said_first_comes_first_to_who_has_left_one_edge_for_another(own_cluster, farewell):
    """The edge that was left has told the router that stands still so, and goes on waiting for it."""
    world = own_cluster(kind=ProxiedCluster)
    romeo = await world.login(world.account(), 0)
    accounts = world.accounts(ACCOUNTS)
    left = [await managed(world, account, 1) for account in accounts]
    for each in left:
        await each.acknowledge()
        assert await each.server_h() > 0

    async def return_and_hear(account):
        back = await world.login(account, 0, available=False)
        await back.presence()
        first = [body(each) for each in await back.sync() if is_message(each)]
        await send_numbered(romeo, account, [2])
        return first + await bodies(back, 3 - len(first))

    async def nobody_is_left():
        return await in_thread(metric, world, 'parley_c2s_sessions{state="bound"}', "c2s-2") == 0

    with frozen(world.cluster, ["router-2"]):
        for each in left:
            await each.send(f"{farewell}</stream:stream>")
            each.writer.close()
        await eventually(nobody_is_left)
        for account in accounts:
            await send_numbered(romeo, account, range(2))
        await in_thread(world.cluster.partition, ["c2s-1>router-2"], "cut")
        try:
            heard = await asyncio.gather(*map(return_and_hear, accounts))
        finally:
            await in_thread(world.cluster.partition, ["c2s-1>router-2"], "release")
    assert heard == [["0", "1", "2"]] * ACCOUNTS
