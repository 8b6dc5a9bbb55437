"""What the judges of ./parley chaos variety find, without a cluster."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from rawxmpp import CLIENT
from session import Incarnation
from variety.client import Item
from variety.database import Stored
from variety.exposed import Exposed
from variety.messages import Flow, Letter, Post
from variety.plain import Life, PlainClients
from variety.presence import GONE, Sight
from variety.subscriptions import Pair


class Known:
    """What judges look at of one."""

    view, over, began, announced, fickle = {}, False, 0, None, False

    def __init__(self, name):
        self.account, self.jid, self.wanted = name, f"{name}@localhost", f"{name}@localhost/r"
        self.incarnation, self.listeners = Incarnation(1), []


def stored(subscription, ask=False, pending_in=False, approved=False):
    return Stored(Item("", subscription, ask), pending_in, approved)


def wrong(mine, theirs):
    """What is said of one side of a pair whose client was told all, and sees what it must."""
    stage = SimpleNamespace(sight=SimpleNamespace(sees=lambda *_: "1.1" if mine.to else None))
    pair = Pair(stage, Known("one"), Known("other"))
    pair.sides[0].view = {"other@localhost": mine.item}
    return list(pair._wrong(pair.sides[0], mine, theirs))


@pytest.mark.parametrize("fit", [("none", "none"), ("to", "from"), ("from", "to"), ("both", "both")])
def test_rosters_that_fit_are_right(fit):
    assert not wrong(*map(stored, fit))


def test_half_of_a_subscription_is_wrong():
    assert wrong(stored("to"), stored("none")) == ["rosters do not fit: to and none"]
    assert wrong(stored("none"), stored("both")) == ["rosters do not fit: none and both"]


def test_request_needs_both_halves():
    assert not wrong(stored("none", ask=True), stored("none", pending_in=True))
    assert wrong(stored("none", ask=True), stored("none")) == ["requests do not fit: ask=True, pending in=False"]
    assert wrong(stored("none"), stored("none", pending_in=True)) == ["requests do not fit: ask=False, pending in=True"]


def test_answer_to_what_was_not_asked_is_wrong():
    assert len(wrong(stored("none", approved=True), stored("none"))) == 1


def letter(*arrivals):
    made = Letter(at=0)
    made.acknowledged = True
    made.arrivals = [(who, who.incarnation, 1, at) for at, who in enumerate(arrivals)]
    return made


def test_letter_to_one_is_lost_until_it_came_or_bounced():
    flow = Flow("m0", Known("a"), "b@localhost", "chat", "one")
    assert flow.lacks(letter()) == "LOST"
    assert flow.lacks(letter(Known("b"))) is None


def test_letter_to_several_must_come_to_each():
    first, second = Known("b"), Known("b")
    flow = Flow("m0", Known("a"), "b@localhost", "chat", "each", receivers=[first, second])
    assert flow.lacks(letter(first)) and not flow.lacks(letter(first, second))


def stopped(victim):
    return SimpleNamespace(kind="stop", victim=victim, began=10.0, healed=13.3)


HUNG_UP = 11.0


class Correspondence:
    """Messages to a client without stream management that hung up."""

    def __init__(self):
        stage = SimpleNamespace(owners={}, now=lambda: HUNG_UP, random=None, counts=Counter())
        self.post = stage.post = Post(stage)
        self.life = Life(stage, SimpleNamespace(), "p@localhost/p1", "c2s-1")
        self.flow = self.post.flow(Known("a"), self.life.wanted, "", "one")

    def sent(self, at, acknowledged_at=None, came_to=None):
        made = self.flow.letters[len(self.flow.letters)] = letter(*[came_to] * (came_to is not None))
        made.sent, made.acknowledged_at = at, acknowledged_at

    def lost(self, fault=stopped("c2s-1")):
        """When those were sent that are still said to be lost at rest."""
        self.life.end()
        self.post.stage.fault = fault
        clients = PlainClients(self.post.stage)
        clients.lives = [self.life]
        asyncio.run(clients.rest())
        return [made.sent for made in self.flow.letters.values() if self.flow.lacks(made)]


def test_written_to_a_client_that_hung_up_while_its_edge_stood_still_is_not_lost():
    letters = Correspondence()
    for at in (10.1, 11.0, 13.2):
        letters.sent(at)
    assert not letters.lost()


def test_sent_before_or_after_a_connection_may_have_been_dead_is_lost():
    letters = Correspondence()
    for at in (8.9, 12.0, 14.4):
        letters.sent(at)
    assert letters.lost() == [8.9, 14.4]


def test_who_hangs_up_on_an_edge_that_runs_is_missed_at_once():
    letters = Correspondence()
    for at in (9.8, 10.5, 12.2):
        letters.sent(at)
    assert letters.lost(fault=None) == [9.8, 12.2]


def test_edge_that_stood_still_is_not_all_edges():
    letters = Correspondence()
    for at in (9.8, 12.2):
        letters.sent(at)
    assert letters.lost(fault=stopped("c2s-2")) == [12.2]


def test_what_something_came_behind_is_lost():
    letters = Correspondence()
    letters.sent(10.5)
    letters.sent(10.6, came_to=letters.life)
    letters.sent(10.7)
    assert letters.lost() == [10.5]


def test_sender_that_was_away_may_have_sent_it_later():
    letters = Correspondence()
    letters.sent(7.0, acknowledged_at=10.9)
    letters.sent(7.1, acknowledged_at=8.0)
    assert letters.lost() == [7.1]


def test_written_between_bind_and_stream_management_is_not_lost():
    letters, client = Correspondence(), Known("b")
    letters.flow.to = client.wanted
    for at in (10.5, 11.5, 13.9, 15.5):
        letters.sent(at)
    letters.sent(16.0)
    letters.flow.letters[4].arrivals = [(client, client.incarnation, 1, 16.1)]
    letters.post.stage.fault = None
    letters.post.forgive(Exposed(client, "c2s-1", since=12.0, until=13.0))
    assert [made.sent for made in letters.flow.letters.values() if letters.flow.lacks(made)] == [10.5, 15.5]


def test_what_is_not_lost_may_still_come():
    letters = Correspondence()
    letters.sent(10.5)
    assert not letters.lost()
    letters.post.judge()
    letters.post(letters.life, ElementTree.fromstring(f"<message xmlns='{CLIENT}' id='m0-0'/>"))
    assert letters.flow.letters[0].came_to(letters.life, HUNG_UP)


def test_what_a_lost_session_had_not_acknowledged_may_come_in_the_next_round():
    letters = Correspondence()
    letters.sent(9.0, came_to=letters.life)
    letters.life.end()
    letters.post.judge()
    assert letters.flow.find(0)
    letters.post.judge()
    assert not letters.flow.find(0)


def broken_by(*statuses):
    """What is said when a watcher sees these of one owner."""
    told, owner, watcher = [], Known("owner"), Known("watcher")
    stage = SimpleNamespace(broken=told.append, owners={owner.wanted: owner}, counts={"presences": 0}, now=lambda: 0)
    sight = Sight(stage)
    for status in statuses:
        sight._see(watcher, owner.wanted, status)
    sight.judge()
    return [text.split(":")[0] for text in told]


def test_presence_that_goes_on_is_right():
    assert not broken_by("0.1", "0.2", GONE, "1.1")


def test_older_presence_after_a_newer_is_wrong():
    assert broken_by("0.2", "0.1") == ["presence went back"]
    assert broken_by("0.2", GONE, "0.2") == ["presence after unavailable"]


def test_going_of_who_stays_is_flicker():
    assert broken_by("1.1", GONE) == ["flicker, owner@localhost/r was there all the time"]
