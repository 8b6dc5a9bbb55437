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


async def left_while_the_home_stands_still(world, romeo, before, meanwhile, farewell=""):
    """What clients get who were at the second edge, got the messages `before` and acknowledged none of them, and are at
    the first one when their home is given up there, with message 9 behind the messages `meanwhile`."""
    accounts = world.accounts(ACCOUNTS)
    left = [await managed(world, account, 1) for account in accounts]
    for each in left:
        await each.acknowledge()
        assert await each.server_h() > 0
        await send_numbered(romeo, each.jid.split("/")[0], before)
        await bodies(each, len(before))

    async def return_and_hear(account):
        back = await world.login(account, 0, available=False)
        await back.presence()
        first = [body(each) for each in await back.sync() if is_message(each)]
        await send_numbered(romeo, account, [9])
        return first + await bodies(back, len(before) + len(meanwhile) + 1 - len(first))

    async def nobody_is_left():
        return await in_thread(metric, world, 'parley_c2s_sessions{state="bound"}', "c2s-2") == 0

    with frozen(world.cluster, ["router-2"]):
        for each in left:
            await each.send(f"{farewell}</stream:stream>")
            each.writer.close()
        await eventually(nobody_is_left)
        for account in accounts:
            await send_numbered(romeo, account, meanwhile)
        await in_thread(world.cluster.partition, ["c2s-1>router-2"], "cut")
        try:
            return await asyncio.gather(*map(return_and_hear, accounts))
        finally:
            await in_thread(world.cluster.partition, ["c2s-1>router-2"], "release")


@pytest.mark.parametrize("farewell", ["", "<presence type='unavailable'/>"])
async def test_what_was_said_first_comes_first_to_who_has_left_one_edge_for_another(own_cluster, farewell):
    """The edge that was left has told the router that stands still so, and goes on waiting for it."""
    world = own_cluster(kind=ProxiedCluster)
    romeo = await world.login(world.account(), 0)
    heard = await left_while_the_home_stands_still(world, romeo, [], [0, 1], farewell)
    assert heard == [["0", "1", "9"]] * ACCOUNTS


async def test_what_was_not_acknowledged_comes_before_what_is_new_to_who_has_left_one_edge_for_another(own_cluster):
    world = own_cluster(kind=ProxiedCluster)
    romeo = await world.login(world.account(), 0)
    heard = await left_while_the_home_stands_still(world, romeo, [0, 1], [])
    assert heard == [["0", "1", "9"]] * ACCOUNTS


def links_of_the_second_edge(world):
    return [link for link in world.cluster.links("c2s-2") if "router" in link]


@pytest.mark.parametrize("how", ["cut", "hold"])
async def test_what_waits_for_an_edge_that_is_cut_off_comes_before_what_is_new_to_who_has_left_it(own_cluster, how):
    """No router knows that its clients have left. `hold`: nor, for a moment, that it is cut off."""
    world = own_cluster(kind=ProxiedCluster)
    romeo = await world.login(world.account(), 0)
    accounts = world.accounts(ACCOUNTS)
    left = [await managed(world, account, 1) for account in accounts]
    for each in left:
        await each.acknowledge()
        assert await each.server_h() > 0

    async def hear(back, number):
        await send_numbered(romeo, back.jid.split("/")[0], [number])
        heard = []
        while str(number) not in heard:
            heard += await bodies(back, 1)
        return heard

    async def return_and_hear(account):
        back = await world.login(account, 0, available=False)
        await back.presence()
        first = [body(each) for each in await back.sync() if is_message(each)]
        return back, first + await hear(back, 9)

    async def nothing_waits(service, name):
        return await in_thread(metric, world, name, service) == 0

    await in_thread(world.cluster.partition, links_of_the_second_edge(world), how)
    for each in left:
        await each.send("</stream:stream>")
        each.writer.close()
    await eventually(lambda: nothing_waits("c2s-2", 'parley_c2s_sessions{state="bound"}'))
    for account in accounts:
        await send_numbered(romeo, account, [0, 1])
    back, heard = zip(*await asyncio.gather(*map(return_and_hear, accounts)))
    assert list(heard) == [["0", "1", "9"]] * ACCOUNTS
    await in_thread(world.cluster.partition, links_of_the_second_edge(world), "release")
    for router in ("router-1", "router-2"):
        await eventually(lambda router=router: nothing_waits(router, "parley_router_parked"))
    assert [await hear(each, 10) for each in back] == [["10"]] * ACCOUNTS
