"""What one address may do: connect, stay connected, fail to log in, register; and one client, for which all its
contacts pay. The limits bite that address, or client, only."""

import asyncio

import pytest

from conftest import PASSWORD, World, start_cluster
from rawxmpp import CLIENT, SASL, STANZAS, Ended, Raw, condition

REGISTER = "jabber:iq:register"
# Any address of 127.0.0.0/8 reaches the edges, as another client.
NEIGHBOUR = "127.0.0.2"


async def connect(world, edge=0, source="127.0.0.1"):
    host, port = world.edges[edge]["xmpp"].split(":")
    return Raw(*await asyncio.open_connection(host, int(port), local_addr=(source, 0)), "localhost")


async def secured(world, edge=0, source="127.0.0.1"):
    raw = await connect(world, edge, source)
    await raw.open()
    await raw.starttls(world.context)
    await raw.open()
    return raw


def metric(world, name, instance="c2s-1"):
    status, text = world.cluster.http(instance, "/metrics")
    assert status == 200
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))


def limits(world, limit, instance="c2s-1"):
    return metric(world, f'parley_c2s_limits_total{{limit="{limit}"}}', instance)


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    settings = ["c2s.auth_failures_per_minute_per_address=3", "c2s.registrations_per_minute_per_address=2"]
    settings += ["c2s.max_connections_per_address=8", "c2s.max_auth_attempts=20"]
    cluster = start_cluster(tmp_path_factory.mktemp("limits"), settings=settings)
    yield World(cluster)
    cluster.down()


async def test_address_that_failed_too_often_is_refused_for_a_while(limited):
    name = limited.account().split("@")[0]
    raw = await secured(limited, source="127.0.1.1")
    assert [condition(await raw.plain(name, "wrong")) for _ in range(3)] == ["not-authorized"] * 3
    # Also with the right password, and on another connection: it must not learn that it is right.
    assert condition(await raw.plain(name, PASSWORD)) == "temporary-auth-failure"
    again = await secured(limited, source="127.0.1.1")
    assert condition(await again.plain(name, PASSWORD)) == "temporary-auth-failure"
    assert limits(limited, "auth_failures") >= 2
    neighbour = await secured(limited, source=NEIGHBOUR)
    assert (await neighbour.plain(name, PASSWORD)).tag == f"{{{SASL}}}success"
    for one in (raw, again, neighbour):
        one.abort()


async def test_address_registers_only_so_many_accounts(limited):
    def query(name):
        return f"<query xmlns='{REGISTER}'><username>{name}</username><password>words</password></query>"

    raw = await secured(limited, source="127.0.1.2")
    assert [(await raw.iq("set", query(f"limited{n}"))).get("type") for n in range(2)] == ["result"] * 2
    refused = await raw.iq("set", query("limited2"))
    assert (condition(refused), refused.find("{jabber:client}error").get("type")) == ("resource-constraint", "wait")
    again = await secured(limited, source="127.0.1.2")
    assert condition(await again.iq("set", query("limited2"))) == "resource-constraint"
    assert limits(limited, "registration_rate") >= 2
    assert "limited2@localhost" not in limited.cluster.ctl("user", "list", "localhost").stdout
    neighbour = await secured(limited, source=NEIGHBOUR)
    assert (await neighbour.iq("set", query("limited2"))).get("type") == "result"
    for one in (raw, again, neighbour):
        one.abort()


async def test_address_holds_only_so_many_connections(limited):
    held = [await connect(limited, source="127.0.1.3") for _ in range(8)]
    for raw in held:
        await raw.open()
    refused = await connect(limited, source="127.0.1.3")
    await refused.header()
    assert condition(await refused.receive()) == "resource-constraint"
    assert limits(limited, "connections_address") >= 1
    neighbour = await connect(limited, source=NEIGHBOUR)
    await neighbour.open()
    await held.pop().close()

    async def there_is_room():
        while True:
            raw = await connect(limited, source="127.0.1.3")
            try:
                if (await raw.open()).tag.endswith("}features"):
                    return
            except (Ended, ConnectionError):  # refused, perhaps before it had sent anything
                pass
            finally:
                raw.abort()

    await asyncio.wait_for(there_is_room(), 10)
    for raw in (*held, neighbour):
        raw.abort()


async def test_connections_beyond_the_rate_wait_and_are_served(own_cluster):
    """c2s.connections_per_second_per_address: slowed, not cut off; a neighbour does not wait."""
    world = own_cluster(
        settings=["c2s.connections_per_second_per_address=5", "c2s.connections_burst_per_address=3"]
    )
    opening = [asyncio.create_task(opened(world, "127.0.1.4")) for _ in range(8)]
    neighbour = await connect(world, source=NEIGHBOUR)
    await neighbour.open()
    served = await asyncio.gather(*opening)
    assert all(features.tag.endswith("}features") for features in served)
    assert limits(world, "connection_rate") >= 1


async def opened(world, source):
    raw = await connect(world, source=source)
    features = await raw.open()
    raw.abort()
    return features


async def test_connections_that_would_wait_too_many_are_refused(own_cluster):
    world = own_cluster(
        settings=[
            "c2s.connections_per_second_per_address=1",
            "c2s.connections_burst_per_address=1",
            "c2s.max_connections_waiting=0",
        ]
    )
    first = await connect(world, source="127.0.1.5")
    await first.open()
    second = await connect(world, source="127.0.1.5")
    await second.header()
    assert condition(await second.receive()) == "resource-constraint"
    assert limits(world, "connections_waiting") == 1


# c2s.max_presence_bytes. The release before takes it: so not among the stanza errors, which run on both.
async def test_large_presence_is_not_acceptable(world):
    session = await world.login(world.account())
    await session.send(f"<presence id='large'><status>{'s' * 20000}</status></presence>")
    answer = await session.until(lambda e: e.get("type") == "error")
    assert (answer.tag, answer.get("id")) == (f"{{{CLIENT}}}presence", "large")
    error = answer.find(f"{{{CLIENT}}}error")
    assert error.get("type") == "modify" and error.find(f"{{{STANZAS}}}not-acceptable") is not None
    assert not [e for e in await session.sync() if e.get("type") == "error"]
