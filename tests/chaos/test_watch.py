"""What the watchers of edges' deaths must call broken."""

import random
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from ledger import Ledger
from watch import Watch

WITNESS, HERE, GONE = "witness0@localhost/grove1", "", " type='unavailable'"


class Story:
    def __init__(self):
        now = lambda: 0.0
        place = SimpleNamespace(edges=[["edge", "edge"]])
        self.world = SimpleNamespace(now=now, ledger=Ledger(now), place=place, random=random.Random(1))
        self.watch = Watch(self.world, "localhost", 1)
        self.watcher = self.watch._watcher(0)

    def see(self, *kinds, of=WITNESS):
        for kind in kinds:
            element = ElementTree.fromstring(f"<presence xmlns='jabber:client' from='{of}'{kind}/>")
            self.watch.on_stanza(self.watcher, element)

    def broken(self):
        return len(self.world.ledger.violations)


@pytest.mark.parametrize(("kinds", "broken"), [
    ([HERE, GONE], 0), ([HERE, GONE, GONE], 1), ([GONE, GONE], 1),
    ([HERE, HERE, GONE], 0), ([HERE, GONE, HERE, GONE], 0),  # of a frozen edge that wakes
])  # fmt: skip
async def test_each_is_seen_going_once(kinds, broken):
    story = Story()
    story.see(*kinds)
    assert story.broken() == broken


async def test_new_session_of_a_watcher_and_another_of_the_witness_are_told_anew():
    story = Story()
    story.see(HERE, GONE)
    story.see(HERE, GONE, of="witness0@localhost/grove2")
    story.watch.on_lost(story.watcher, "item-not-found", 100, [])
    story.see(GONE)
    assert not story.broken()
