"""What the judges of ./parley chaos variety find, without a cluster."""

from collections import Counter
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from faults import Fault
from known import Known
from rawxmpp import CLIENT
from variety.client import Eyes, Item
from variety.database import Stored
from variety.iqs import Inquiry
from variety.presence import GONE, Sight
from variety.stage import Stage
from variety.subscriptions import Pair


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


class Asked:
    """One request and what became of it."""

    def __init__(self, forgetful=False):
        self.asker, self.answerer, self.told = Known("a"), Known("b"), []
        self.asker.send = lambda text, note: None
        stage = SimpleNamespace(
            broken=self.told.append, counts=Counter(), now=lambda: 0, fresh=lambda word: word, forgetful=forgetful
        )
        self.inquiry = Inquiry(stage)
        self.question = self.inquiry.ask(self.asker, self.answerer.wanted, "get", "<x/>")

    def taken(self):
        self.question.acknowledged, self.question.taken_in = True, self.asker.incarnation

    def seen(self, *incarnations):
        self.question.seen = [(self.answerer, incarnation, 1) for incarnation in incarnations]

    def answered(self, times):
        self.question.answers = [("result", None, 0)] * times

    def verdict(self):
        pending = [text.split(":")[0] for text in self.inquiry.pending()]
        self.inquiry.judge()
        return pending + [text.split(":")[0] for text in self.told]


def test_request_that_a_new_session_said_again_must_be_answered():
    asked = Asked()
    asked.asker.lose()
    assert asked.verdict() == []
    asked = Asked()
    asked.asker.lose()
    asked.taken()
    assert asked.verdict() == ["unanswered"]


@pytest.mark.parametrize(("healed", "verdict"), [(0.1, []), (0, ["unanswered"])])
def test_answer_to_who_was_gone_for_routers_is_nobodys(healed, verdict):
    asked = Asked()
    asked.taken()
    asked.asker.absence = SimpleNamespace(healed=healed)
    assert asked.verdict() == verdict


def test_request_that_was_acknowledged_does_not_come_again():
    for confirmed, verdict in ((0, []), (1, ["asked too often"])):
        asked = Asked()
        lost = asked.answerer.incarnation
        asked.answerer.lose(confirmed)
        asked.seen(lost, asked.answerer.incarnation)
        assert asked.verdict() == verdict


def test_who_logged_out_answers_once():
    asked = Asked()
    asked.seen(asked.answerer.incarnation)
    asked.answerer.lose(confirmed=1)
    asked.answered(2)
    assert asked.verdict() == []
    for forgetful, verdict in ((True, []), (False, ["answered too often"])):
        asked = Asked(forgetful)
        asked.seen(asked.answerer.incarnation)
        asked.answerer.log_out(at=1, confirmed=1)
        asked.answered(2)
        assert asked.verdict() == verdict


def test_who_logged_out_later_answers_again_what_its_lost_session_had():
    asked = Asked()
    asked.seen(asked.answerer.incarnation)
    asked.answerer.lose(confirmed=1)
    asked.answerer.log_out(at=1, confirmed=1)
    asked.answered(2)
    assert asked.verdict() == []


def test_edge_or_router_that_failed_may_not_know_what_was_acknowledged():
    for struck, forgetful in (("c2s", True), ("redis", True), ("roster", False), (None, False)):
        assert Stage.forgetful.fget(SimpleNamespace(struck=struck)) == forgetful


def test_request_or_answer_of_another_is_wrong():
    asked = Asked()
    asked.answerer.wanted = "c@localhost/r"
    asked.seen(asked.answerer.incarnation)
    assert asked.verdict() == ["not for ['c@localhost/r']"]
    asked = Asked()
    asked.inquiry(asked.answerer, ElementTree.fromstring(f"<iq xmlns='{CLIENT}' type='result' id='i'/>"))
    assert asked.verdict() == ["answer at b@localhost/r"]


def broken_by(*statuses):
    """What is said when a watcher sees these of one owner."""
    told, owner, watcher = [], Known("owner"), Known("watcher")
    stage = SimpleNamespace(broken=told.append, owners={owner.wanted: owner}, counts=Counter(), now=lambda: 0)
    sight = Sight(stage)
    for status in statuses:
        sight._see(watcher, owner.wanted, status)
    sight.judge()
    return [text.split(":")[0] for text in told]


def test_presence_that_goes_on_is_right():
    assert not broken_by("0.1", "0.2", GONE, "1.1")


def test_presence_that_comes_twice_is_right():
    assert not broken_by("0.1", "0.1", GONE, GONE, "1.1")


def test_older_presence_after_a_newer_is_wrong():
    assert broken_by("0.2", "0.1") == ["presence went back"]
    assert broken_by("0.2", GONE, "0.2") == ["presence after unavailable"]


def test_going_of_who_stays_is_flicker():
    assert broken_by("1.1", GONE) == ["flicker, owner@localhost/r was there all the time"]


def test_client_that_is_not_told_its_roster_is_not_at_rest():
    client = Known("a")
    client.settled = True
    stage = SimpleNamespace(clients=[client], parts=[])
    for judge in ("post", "inquiry", "sight"):
        setattr(stage, judge, SimpleNamespace(pending=list))
    stage._left_in_store = list
    assert not list(Stage._unsettled(stage))
    client.view = None
    assert list(Stage._unsettled(stage)) == ["a@localhost/r was not told its roster"]


@pytest.mark.parametrize(("closing", "away", "told"), [(False, 3, 1), (True, 3, 0), (False, 9.5, 0)])
def test_session_that_cannot_be_resumed_in_time_is_wrong_unless_it_was_given_up(closing, away, told):
    client, broken = Known("c"), []
    client.closing, client.sm_max = closing, 10
    stage = SimpleNamespace(counts=Counter(), bereft=set(), broken=broken.append)
    Eyes(stage).on_lost(client, "item-not-found", away, [])
    assert len(broken) == told


@pytest.mark.parametrize(
    ("kind", "service", "at", "orphaned"), [("kill", "c2s", 9.5, 1), ("kill", "c2s", 8, 0), ("kill", "router", 9.5, 0), ("drain", "c2s", 9.5, 0)]
)
def test_only_who_logs_out_as_its_edge_is_killed_may_leave_an_orphan(kind, service, at, orphaned):
    fault = Fault(kind, service, f"{service}-1", "", began=10)
    stage = SimpleNamespace(fault=fault, parted=[("b@localhost", at)])
    assert len(Stage.orphaned(stage)) == orphaned
