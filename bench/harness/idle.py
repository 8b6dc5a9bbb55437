"""A cluster that has nothing more to do."""

import time

from parley_dev.steps import Failure

COMMANDS = 100  # of Redis a second, at most: the leases and watches of two c2s and two routers are 55
SECONDS = 60  # until it has to be


def settle(peer, sleep=time.sleep):
    """Until Redis does no more than for a cluster that nobody uses: what clients leave behind, whoever comes next would be
    charged for."""
    for _ in range(SECONDS):
        before = peer.redis_work()["redis"]
        sleep(1)
        commands = peer.redis_work()["redis"] - before
        if commands <= COMMANDS:
            return
    raise Failure(f"not idle after {SECONDS} s: Redis carries out {commands} commands a second")
