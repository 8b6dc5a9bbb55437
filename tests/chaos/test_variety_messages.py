"""What the judge of messages finds, without a cluster."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from known import Known
from rawxmpp import CLIENT
from variety.exposed import Exposed
from variety.messages import Flow, Letter, Post
from variety.plain import Life, PlainClients
from variety.stage import Stage


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


class Round:
    """One flow whose letters are judged at its end."""

    def __init__(self, to="b@localhost", mode="one", receivers=(), forgetful=False, bereft=(), calm=False):
        self.told = []
        stage = SimpleNamespace(
            broken=self.told.append, counts=Counter(), forgetful=forgetful, bereft=set(bereft), calm=calm, now=lambda: 0
        )
        self.post = stage.post = Post(stage)
        self.flow = self.post.flow(Known("a"), to, "chat", mode, receivers)

    def came(self, *arrivals):
        """(client, its incarnation, index, time)."""
        self.flow.letters[len(self.flow.letters)] = made = letter()
        made.arrivals = list(arrivals)
        return made

    def verdict(self):
        self.post.judge()
        return [text.split(":")[0] for text in self.told]


def test_who_lost_a_session_is_owed_what_comes_in_the_rounds_after():
    first, second = Known("b"), Known("b")
    judged = Round(mode="each", receivers=[first, second])
    first.lose()
    assert judged.flow.lacks(letter(second)) is None
    judged.post.judge()
    assert judged.flow.lacks(letter(second)) == "not at ['b@localhost/r']"


def test_sender_that_lost_a_session_is_owed_the_bounces_of_the_rounds_after():
    judged = Round("b@localhost/missing", "bounce")
    assert judged.flow.lacks(letter()) == "not bounced"
    judged.flow.sender.lose()
    assert judged.flow.lacks(letter()) is None
    judged.post.judge()
    assert judged.flow.lacks(letter()) == "not bounced"


def test_each_receiver_has_its_copy_once():
    receivers = [Known("b"), Known("b")]
    for more, verdict in (([], []), (receivers[:1], ["repeated"])):
        judged = Round(mode="each", receivers=receivers)
        judged.came(*[(who, who.incarnation, 1, at) for at, who in enumerate(receivers + more)])
        assert judged.verdict() == verdict


def test_what_a_lost_session_had_not_acknowledged_may_come_again():
    for confirmed, verdict in ((0, []), (1, ["repeated"])):
        receiver, judged = Known("b"), Round()
        lost = receiver.incarnation
        receiver.lose(confirmed)
        judged.came((receiver, lost, 1, 1.0), (receiver, receiver.incarnation, 1, 2.0))
        assert judged.verdict() == verdict


def test_loss_of_one_receiver_excuses_no_repeat_at_another():
    first, second = Known("b"), Known("b")
    judged = Round(mode="each", receivers=[first, second])
    lost = first.incarnation
    first.lose()
    judged.came((first, lost, 1, 1.0), *[(second, second.incarnation, index, 1.0) for index in (1, 2)])
    assert judged.verdict() == ["repeated"]


@pytest.mark.parametrize(("forgetful", "verdict"), [(True, []), (False, ["repeated"])])
def test_what_comes_again_to_who_has_logged_out_is_known_where_an_acknowledgement_may_be_forgotten(forgetful, verdict):
    gone, heir, judged = Known("b"), Known("b"), Round(forgetful=forgetful)
    judged.came((gone, gone.incarnation, 1, 1.0), (heir, heir.incarnation, 1, 3.0))
    gone.log_out(at=2.0, confirmed=1)
    assert judged.verdict() == verdict


def test_only_what_was_sent_before_a_new_session_may_come_late():
    for began, verdict in ((1.5, []), (0.5, ["disordered"])):
        receiver, judged = Known("b"), Round(bereft=["b@localhost"])
        receiver.lose(began=began)
        for sent, index in ((1.0, 2), (2.0, 1)):
            judged.came((receiver, receiver.incarnation, index, 6.0)).sent = sent
        assert judged.verdict() == verdict


@pytest.mark.parametrize(("calm", "verdict"), [(True, ["disordered"]), (False, [])])
def test_where_all_is_calm_order_holds_from_one_client_of_an_account_to_the_next(calm, verdict):
    first, second, judged = Known("b"), Known("b"), Round(calm=calm)
    for who, at in ((second, 2.0), (first, 1.0)):
        judged.came((who, who.incarnation, 1, at))
    assert judged.verdict() == verdict


def test_each_of_several_receivers_has_an_order_of_its_own():
    quick, slow = receivers = [Known("b"), Known("b")]
    judged = Round(mode="each", receivers=receivers, calm=True)
    for at in (1.0, 2.0):
        judged.came(*[(who, who.incarnation, 1, late) for who, late in ((quick, at), (slow, at + 5))])
    assert not judged.verdict()


@pytest.mark.parametrize(("calm", "verdict"), [(True, ["bounced without need"]), (False, [])])
def test_where_all_is_calm_an_account_gets_its_messages(calm, verdict):
    judged = Round(calm=calm)
    judged.came().bounces = [("resource-constraint", "a@localhost/r")]
    assert judged.verdict() == verdict


def test_all_is_calm_where_nothing_failed_and_nobody_lost_a_session():
    for struck, bereft, calm in ((None, {}, True), ("c2s", {}, False), (None, {"b@localhost"}, False)):
        assert Stage.calm.fget(SimpleNamespace(struck=struck, bereft=bereft)) == calm


def test_message_of_another_is_wrong():
    stranger, judged = Known("c"), Round()
    judged.came((stranger, stranger.incarnation, 1, 1.0))
    assert judged.verdict() == ["not for ['c@localhost/r']"]
    judged = Round()
    judged.came().bounces = [("service-unavailable", "c@localhost/r")]
    assert judged.verdict() == ["not for ['c@localhost/r']"]


def test_message_is_as_it_was_sent():
    for body, sender, verdict in (("m0-0", "a", 0), ("m0-0", "c", 1), ("m0-1", "a", 1)):
        judged = Round()
        judged.came()
        receiver = Known("b")
        receiver.sm_id, receiver.received = "x", 1
        text = f"<message xmlns='{CLIENT}' id='m0-0' from='{sender}@localhost/r'><body>{body}</body></message>"
        judged.post(receiver, ElementTree.fromstring(text))
        assert len(judged.told) == verdict


def stopped(victim):
    return SimpleNamespace(kind="stop", victim=victim, began=10.0, healed=13.3)


HUNG_UP = 11.0


class Correspondence:
    """Messages to a client without stream management that hung up."""

    def __init__(self):
        stage = SimpleNamespace(owners={}, now=lambda: HUNG_UP, random=None, counts=Counter(), struck="c2s", forgetful=True, calm=False)
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
    text = f"<message xmlns='{CLIENT}' id='m0-0' from='a@localhost/r'><body>m0-0</body></message>"
    letters.post(letters.life, ElementTree.fromstring(text))
    assert letters.flow.letters[0].came_to(letters.life, HUNG_UP)


def test_what_a_lost_session_had_not_acknowledged_may_come_in_the_next_round():
    letters = Correspondence()
    letters.sent(9.0, came_to=letters.life)
    letters.life.end()
    letters.post.judge()
    assert letters.flow.find(0)
    letters.post.judge()
    assert not letters.flow.find(0)


@pytest.mark.parametrize(("victim", "verdict"), [("c2s-1", []), ("c2s-2", ["gap"])])
def test_what_a_plain_connection_said_on_an_edge_that_did_not_fail_came_without_gap(victim, verdict):
    letters, buddy = Correspondence(), Known("x")
    said = letters.post.flow(letters.life, buddy.wanted, "", "one")
    said.letters = {0: letter(), 1: letter(buddy)}
    letters.life.said = [said]
    told = []
    letters.post.stage.broken = lambda text: told.append(text.split(":")[0])
    letters.lost(fault=stopped(victim))
    assert told == verdict


@pytest.mark.parametrize(
    ("victim", "came", "bounces", "told"),
    [
        ("c2s-1", 9.9, 1, []),
        ("c2s-1", 9.7, 1, ["repeated"]),
        ("c2s-1", 13.4, 1, ["repeated"]),
        ("c2s-1", 9.9, 2, ["repeated"]),
        ("c2s-2", 9.9, 1, ["repeated"]),
    ],
)
def test_what_an_edge_that_was_taken_for_dead_had_not_said_to_have_taken_may_bounce(victim, came, bounces, told):
    letters, broken = Correspondence(), []
    letters.post.stage.broken = lambda text: broken.append(text.split(":")[0])
    letters.post.stage.fault = stopped(victim)
    letters.sent(came, came_to=letters.life)
    made = letters.flow.letters[0]
    made.arrivals = [(letters.life, letters.life.incarnation, 0, came)]
    made.bounces = [("service-unavailable", "a@localhost/r")] * bounces
    letters.post.judge()
    assert broken == told


def test_edge_that_stood_still_for_a_moment_is_not_taken_for_dead():
    life = Correspondence().life
    life.stage.fault = SimpleNamespace(kind="stop", victim="c2s-1", began=10.0, healed=12.7)
    assert life.absence is None


def test_nothing_is_left_in_the_store_of_a_plain_client_that_is_there():
    offline = {}
    clients = PlainClients(SimpleNamespace(random=None, database=SimpleNamespace(offline=lambda: offline)))
    clients._plains = [SimpleNamespace(account="p0", life=None), SimpleNamespace(account="p1", life="some")]
    offline["p0"] = 1
    assert not list(clients.check())
    offline["p1"] = 2
    assert list(clients.check()) == ["2 messages are left in the store of p1, who is there"]
