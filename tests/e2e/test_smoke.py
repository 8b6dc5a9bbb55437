"""The shortest way through everything: two users on two edges."""

from rawxmpp import body, is_message


async def test_message_crosses_from_one_edge_to_the_other(world):
    romeo, juliet = await world.pair()
    await romeo.message(juliet.jid, "art thou not Romeo?")
    got = await juliet.until(is_message)
    assert body(got) == "art thou not Romeo?"
    assert got.get("from") == romeo.jid
    await juliet.message(romeo.jid.split("/")[0], "to the bare address")
    assert body(await romeo.until(is_message)) == "to the bare address"


async def test_mutual_subscription_shows_presence_both_ways(world):
    romeo, juliet = await world.friends()
    await romeo.presence("<show>away</show>")
    seen = await juliet.until(lambda e: e.get("from") == romeo.jid)
    assert seen.findtext("{jabber:client}show") == "away"
    romeo.abort()
    gone = await juliet.until(lambda e: e.get("from") == romeo.jid)
    assert gone.get("type") == "unavailable"


async def test_message_waits_for_an_absent_user(world):
    romeo, juliet = world.accounts(2)
    sender = await world.login(romeo)
    for number in range(5):
        await sender.message(juliet, f"letter {number}")
    await sender.sync()
    reader = await world.login(juliet, edge=1, available=False)
    await reader.presence()
    letters = [await reader.until(is_message) for _ in range(5)]
    assert [body(letter) for letter in letters] == [f"letter {number}" for number in range(5)]
    assert all(letter.find("{urn:xmpp:delay}delay") is not None for letter in letters)
