"""The judge itself: what it must call broken, and what it must excuse."""

import random
from types import SimpleNamespace
from xml.etree import ElementTree

import chaos
import pytest

from connection import Gone, Refused
from ledger import Ledger
from session import WRAP, Incarnation, Session


class Stub:
    """What the ledger sees of a session."""

    def __init__(self, full):
        self.full = full
        self.incarnation = Incarnation(1)
        self.received, self.told, self.sm_id, self.sm_max = 0, 0, "x", 60
        self.attached, self.away_until, self.edge = True, 0.0, 0

    def send(self, text, note=None):
        """Nothing is sent in these stories."""


class Story:
    """romeo writes to juliet; time goes on with every event."""

    def __init__(self, forked=False):
        self.clock = 0.0
        self.ledger = Ledger(self.now)
        self.romeo, self.juliet, self.tower = Stub("romeo/a"), Stub("juliet/b"), Stub("juliet/c")
        receivers = [self.juliet, self.tower] if forked else [self.juliet]
        self.flow = self.ledger.add_flow(self.romeo, "juliet" if forked else "juliet/b", receivers, forked)
        for session in (self.romeo, self.juliet, self.tower):
            self.ledger.on_attached(session, "new", [])

    def now(self):
        self.clock += 1
        return self.clock

    def send(self, count):
        for _ in range(count):
            self.ledger.send_next(self.flow)
            self.ledger.on_acknowledged(self.romeo, ("message", self.flow, len(self.flow.messages) - 1))

    def arrive(self, number, at=None, kind="chat", flow=0):
        at = at or self.juliet
        at.received += 1
        self.ledger.on_stanza(at, ElementTree.fromstring(
            f"<message xmlns='jabber:client' from='romeo/a' type='{kind}' id='m{flow}-{number}'>"
            f"<body>m{flow}-{number}</body></message>"
        ))

    def lose(self, who):
        who.incarnation.lost = True
        who.incarnation = Incarnation(who.incarnation.number + 1)
        who.received = 0

    def broken(self):
        return self.ledger.verdict()[1]


def test_all_is_well():
    story = Story()
    story.send(3)
    for number in range(3):
        story.arrive(number)
    assert not story.broken()


def test_loss_is_seen_and_a_bounce_is_none():
    story = Story()
    story.send(2)
    story.arrive(0)
    assert len(story.broken()) == 1
    story.arrive(1, at=story.romeo, kind="error")
    assert not story.broken()


@pytest.mark.parametrize(("excused", "count"), [
    ([], 1), ([(0, 1)], 0), ([(2, 4)], 0), ([(4, 9)], 1), ([(0, 0.5)], 1),
])  # fmt: skip
def test_bounce_is_told_unless_excused_while_it_was_under_way(excused, count):
    story = Story()
    story.clock = 0.0
    story.send(1)  # at 1, acknowledged at 2
    story.arrive(0, at=story.romeo, kind="error")  # at 3
    assert len(list(story.ledger.bounced(excused))) == count


def test_unacknowledged_may_be_lost():
    story = Story()
    story.ledger.send_next(story.flow)
    assert not story.broken()


def test_repeat_and_repeat_by_bounce_are_seen():
    story = Story()
    story.send(1)
    story.arrive(0)
    story.arrive(0, at=story.romeo, kind="error")
    assert len(story.broken()) == 1
    story = Story()
    story.send(1)
    story.arrive(0)
    story.arrive(0)
    assert len(story.broken()) == 1


async def test_run_that_is_cut_short_tells_what_is_broken_already(capsys, monkeypatch, tmp_path):
    """But not that what is under way were lost."""
    story = Story()
    story.send(3)
    for number in (1, 0, 0):
        story.arrive(number)
    run = chaos.Run(chaos.short_options(tmp_path))
    run.world = SimpleNamespace(ledger=story.ledger)
    run.cluster = SimpleNamespace(plan=None)
    monkeypatch.setattr(run, "start_cluster", lambda: None)
    with pytest.raises(ZeroDivisionError):
        async with chaos.cluster_of(run):
            raise ZeroDivisionError
    told = capsys.readouterr().out
    assert told.count("BROKEN") == 2 and "came 2 times" in told and "came before" in told
    assert "2 promises broken until then" in told


def test_disorder_is_seen():
    story = Story()
    story.send(2)
    story.arrive(1)
    story.arrive(0)
    assert len(story.broken()) == 1


def test_disorder_between_two_addresses_of_one_session_is_seen():
    for order, broken in (((0, 1), 0), ((1, 0), 1)):
        story = Story()
        flows = [story.flow, story.ledger.add_flow(story.romeo, "juliet", [story.juliet], True)]
        for flow in flows:
            story.ledger.send_next(flow)
        for number in order:
            story.arrive(0, flow=number)
        assert len(story.broken()) == broken


def test_what_was_for_a_lost_session_may_come_late_to_another():
    story = Story()
    story.send(2)
    story.ledger.add_flow(story.romeo, "juliet", [story.tower], True)
    story.ledger.send_next(story.ledger.flows[1])
    story.arrive(0, at=story.tower, flow=1)
    for number in (0, 1):
        story.arrive(number, at=story.tower)
    assert not story.broken()


def test_what_a_lost_session_was_owed_may_come_late():
    story = Story()
    story.send(2)
    story.lose(story.juliet)
    story.ledger.on_attached(story.juliet, "new", [])
    story.send(1)
    for number in (2, 1, 0):
        story.arrive(number)
    assert not story.broken()
    story.send(2)
    for number in (4, 3):
        story.arrive(number)
    assert len(story.broken()) == 1


@pytest.mark.parametrize(("confirmed", "broken"), [(0, 0), (1, 1)])
def test_repeat_after_a_lost_session_is_excused_unless_the_server_knew(confirmed, broken):
    story = Story()
    story.send(1)
    story.arrive(0)
    story.juliet.incarnation.confirmed = confirmed
    story.lose(story.juliet)
    story.arrive(0)
    assert len(story.broken()) == broken


def test_repeat_is_excused_once_after_the_sender_was_lost():
    story = Story()
    story.send(1)
    story.arrive(0)
    story.ledger.on_lost(story.romeo, "item-not-found", 100, [("message", story.flow, 0)])
    story.arrive(0)
    assert not story.broken()
    story.arrive(0)
    assert len(story.broken()) == 1


def test_each_resource_gets_its_copy_once():
    story = Story(forked=True)
    story.send(1)
    story.arrive(0)
    assert len(story.broken()) == 1, "the other was there, too"
    story.arrive(0, at=story.tower)
    assert not story.broken()
    story.arrive(0, at=story.tower)
    assert len(story.broken()) == 1


def test_new_session_of_a_resource_is_owed_its_copies_from_its_beginning():
    story = Story(forked=True)
    story.lose(story.juliet)
    story.send(1)
    story.arrive(0, at=story.tower)
    story.ledger.on_attached(story.juliet, "new", [])
    assert not story.broken()
    story.send(1)
    story.arrive(1, at=story.tower)
    assert len(story.broken()) == 1
    story.arrive(1)
    assert not story.broken()


def test_session_refused_too_early_is_seen():
    story = Story()
    story.ledger.on_lost(story.juliet, "item-not-found", 30, [])
    assert len(story.broken()) == 1


def test_conflict_is_excused_once_after_an_attempt_was_given_up():
    story = Story()
    story.ledger.on_disconnected(story.romeo, "attach: time-out")
    story.ledger.on_disconnected(story.romeo, "conflict")
    assert story.broken() == []
    story.ledger.on_disconnected(story.romeo, "conflict")
    assert len(story.broken()) == 1
    story.ledger.on_disconnected(story.juliet, "conflict")
    assert len(story.broken()) == 2


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_iq_is_answered_exactly_once(answers):
    story = Story()
    story.ledger.ask(story.romeo)
    story.ledger.on_acknowledged(story.romeo, ("iq", "i0"))
    for _ in range(answers):
        story.ledger.on_stanza(
            story.romeo, ElementTree.fromstring("<iq xmlns='jabber:client' type='result' id='i0'/>")
        )
    assert len(story.broken()) == (answers != 1)


@pytest.mark.parametrize(("ends", "exposed"), [(Gone, 1), (TimeoutError, 1), (Refused, 0)])
async def test_client_whose_connection_ends_while_it_is_bound_may_have_been(ends, exposed):
    async def bind(resource):
        raise ends

    seen = []
    client = Session(None, "romeo@localhost", "a", random.Random(1), Ledger(lambda: 0.0))
    client.observer.on_unprotected = lambda session, since: seen.append(session)
    with pytest.raises(ends):
        await client._begin(SimpleNamespace(bind=bind))
    assert len(seen) == exposed


async def test_client_counts_h_round_the_corner():
    """2^32 - 1 is followed by 0, both ways."""
    told, acknowledged = [], []
    observer = Ledger(lambda: 0.0)
    observer.on_acknowledged = lambda session, note: acknowledged.append(note)
    client = Session(None, "romeo@localhost", "a", random.Random(1), observer)
    client.connection = SimpleNamespace(send=told.append)
    client.sm_id, client.acknowledged, client.received = "x", WRAP - 2, WRAP - 1
    for note in range(4):
        client.send("<message/>", note)
    client._handled(str(WRAP - 1))
    client._handled("1")
    assert acknowledged == [0, 1, 2]
    assert not observer.violations
    client._handled("9")
    assert len(observer.violations) == 1
    client._on_element(ElementTree.fromstring("<message xmlns='jabber:client'/>"))
    client.acknowledge()
    assert told[-1] == "<a xmlns='urn:xmpp:sm:3' h='0'/>"
