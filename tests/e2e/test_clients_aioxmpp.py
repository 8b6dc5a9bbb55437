"""aioxmpp (Python), a library that is strict about what servers send."""

import asyncio

import aioxmpp
import aioxmpp.dispatcher
import pytest

from conftest import PASSWORD

SECONDS = 15


def client_for(world, jid, edge=0, direct_tls=False):
    host, port = world.edges[edge]["xmpps" if direct_tls else "xmpp"].split(":")
    connector = aioxmpp.connector.XMPPOverTLSConnector() if direct_tls else aioxmpp.connector.STARTTLSConnector()
    return aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid),
        aioxmpp.make_security_layer(PASSWORD, no_verify=True),
        override_peer=[(host, int(port), connector)],
    )


def inbox(client):
    queue = asyncio.Queue()
    dispatcher = client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
    dispatcher.register_callback(None, None, queue.put_nowait)
    return queue


async def take(queue):
    return await asyncio.wait_for(queue.get(), SECONDS)


def chat(to, text):
    message = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=to)
    message.body[None] = text
    return message


@pytest.mark.parametrize("direct_tls", [False, True])
async def test_chats_across_edges(world, direct_tls):
    romeo, juliet = (client_for(world, jid, edge, direct_tls) for edge, jid in enumerate(world.accounts(2)))
    heard = inbox(juliet)
    async with romeo.connected(), juliet.connected():
        for number in range(50):
            await romeo.send(chat(juliet.local_jid, f"line {number}"))
        assert [(await take(heard)).body.any() for _ in range(50)] == [f"line {number}" for number in range(50)]


async def test_roster_service_follows_subscription_and_removal(world):
    romeo, juliet = (client_for(world, jid, edge) for edge, jid in enumerate(world.accounts(2)))
    rosters = [client.summon(aioxmpp.RosterClient) for client in (romeo, juliet)]
    asked, answered, removed = (asyncio.get_running_loop().create_future() for _ in range(3))
    rosters[1].on_subscribe.connect(lambda stanza: asked.done() or asked.set_result(stanza.from_))
    rosters[0].on_entry_subscription_state_changed.connect(
        lambda item: item.subscription == "to" and not answered.done() and answered.set_result(item.jid)
    )
    rosters[0].on_entry_removed.connect(lambda item: removed.done() or removed.set_result(item.jid))
    async with romeo.connected(), juliet.connected():
        contact = juliet.local_jid.bare()
        await rosters[0].set_entry(contact, name="Juliet", add_to_groups={"Capulets"})
        rosters[0].subscribe(contact)
        assert await asyncio.wait_for(asked, SECONDS) == romeo.local_jid.bare()
        rosters[1].approve(romeo.local_jid.bare())
        assert await asyncio.wait_for(answered, SECONDS) == contact
        assert rosters[0].items[contact].name == "Juliet"
        await rosters[0].remove_entry(contact)
        assert await asyncio.wait_for(removed, SECONDS) == contact


async def test_disco_ping_and_errors(world):
    client = client_for(world, world.account())
    server = aioxmpp.JID.fromstr("localhost")
    async with client.connected():
        info = await client.summon(aioxmpp.DiscoClient).query_info(server)
        assert any(identity.category == "server" for identity in info.identities)
        await aioxmpp.ping.ping(client, server)
        absent = aioxmpp.IQ(
            type_=aioxmpp.IQType.GET, to=server.replace(localpart="nobody", resource="x"), payload=aioxmpp.ping.Ping()
        )
        with pytest.raises(aioxmpp.errors.XMPPCancelError) as refused:
            await client.send(absent)
        assert refused.value.condition == aioxmpp.ErrorCondition.SERVICE_UNAVAILABLE
