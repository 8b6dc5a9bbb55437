"""What may stay in Redis when all sessions are over."""

import time
from types import SimpleNamespace

import pytest
import report
from parley_dev.processes import free_port
from parley_dev.stores import Redis


@pytest.fixture
def cluster(tmp_path):
    redis = Redis(tmp_path, free_port())
    redis.start()
    yield SimpleNamespace(redis=lambda: redis)
    redis.stop()


async def left(cluster, *commands):
    for command in commands:
        report._redis(cluster.redis().port, *map(str, command))
    return await report.redis_garbage(cluster)


def lease(name, seconds):
    """That lapses in so many seconds."""
    return "ZADD", report.LEASES, int((time.time() + seconds) * 1000), name


async def test_what_goes_by_itself_and_living_edges_may_stay(cluster):
    index = ("SADD", report.INDEXED, "c2s-1/e")
    kept = [lease("c2s-1/e", 60), index, lease("c2s-1/before", -60), ("SET", "parley:e:x", "1", "EX", "60")]
    assert not await left(cluster, *kept)


@pytest.mark.parametrize(("command", "told"), [
    (("SET", "parley:s:{a@b}", "1"), "parley:s:{a@b}"),
    (lease("c2s-1/before", -120), "c2s-1/before in parley:nodes"),
    (("SADD", report.INDEXED, "c2s-1/before"), "c2s-1/before in parley:n"),
])  # fmt: skip
async def test_what_stays_for_ever_is_garbage(cluster, monkeypatch, command, told):
    monkeypatch.setattr(report, "REDIS_SECONDS", 0)
    assert await left(cluster, lease("c2s-1/e", 60), command) == [told]


async def test_index_of_an_edge_that_is_dead_is_garbage(cluster, monkeypatch):
    monkeypatch.setattr(report, "REDIS_SECONDS", 0)
    index = ("SADD", report.INDEXED, "c2s-1/e")
    assert await left(cluster, lease("c2s-1/e", -1), index) == ["c2s-1/e in parley:n"]
