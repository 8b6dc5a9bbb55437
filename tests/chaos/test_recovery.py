"""From when on a client's time counts, and which edges had to be missed."""

import math
from types import SimpleNamespace

import pytest
from faults import Fault
from ledger import Attached
from recovery import Recovery, Try, missed, noticed, recoveries, stood_still, verdict
from report import _hindered

LONG = ["c2s-1>redis", "c2s-1>router-1", "c2s-1>router-2"]


def fault(kind="stop", victim="c2s-1", links=()):
    return Fault(kind, victim.rsplit("-", 1)[0], victim, "", began=10, healed=20, recovered=22, links=list(links))


def seconds(struck, at, *tries):
    [recovery] = recoveries(struck, [Attached(at, None, "resumed", [Try(*each) for each in tries])])
    return recovery.seconds


@pytest.mark.parametrize("struck", [fault(), fault("partition", links=LONG), fault("partition", links=LONG[:1])])
def test_try_at_an_edge_that_is_out_does_not_count(struck):
    assert seconds(struck, 16, (11, 0, 15), (15.5, 1)) == 0.5
    assert seconds(struck, 16, (11, 1, 15), (15.5, 1)) == 5


def test_try_that_the_fault_came_upon_does_not_count():
    assert seconds(fault(), 16, (9.5, 0, 15), (15.5, 1)) == 0.5
    assert seconds(fault(), 11, (9, 0, 9.5), (9.6, 1)) == 2


def test_try_at_an_edge_that_was_out_counts_from_its_return():
    assert seconds(fault(), 21, (18, 0)) == 1
    assert seconds(fault(), 21, (18, 0, 19), (19.5, 0)) == 1


def test_edge_that_lost_one_router_can_serve():
    assert seconds(fault("partition", links=LONG[1:2]), 13, (11, 0)) == 2


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_no_try_counts_before_a_store_is_back(store):
    assert seconds(fault("stop", store), 21, (11, 0, 15), (16, 1)) == 1
    assert seconds(fault("stop", store), 21.5, (11, 0, 19), (21, 1)) == 0.5
    assert seconds(fault("partition", store, ["c2s-1>redis", "c2s-2>redis"]), 21, (16, 1)) == 1


def test_store_that_one_edge_has_lost_is_there_for_the_others():
    struck = fault("partition", "redis", ["c2s-1>redis"])
    assert seconds(struck, 21, (16, 0)) == 1
    assert seconds(struck, 21, (16, 1)) == 5


def test_router_that_is_out_is_no_excuse():
    assert seconds(fault("stop", "router-1"), 15, (11, 0)) == 4


def test_what_a_recovery_owes_to_the_driver_is_told():
    recovery = Recovery(at=20, session=None, edge=0, seconds=2.5, tried=9)
    assert stood_still(recovery, [(10, 17), (17, 18), (19.5, 21), (22, 23)]) == 1


def test_what_needed_no_store_was_in_time():
    assert seconds(fault("stop", "redis"), 15, (11, 0)) == 0


def test_only_resumptions_until_everybody_recovered_count():
    rows = [Attached(9, None, "resumed", [Try(8, 0)]), Attached(23, None, "resumed", [Try(22.5, 0)])]
    rows += [Attached(15, None, "new", [Try(14, 1)])]
    assert not recoveries(fault(), rows)


def at(began, healed, kind="stop", links=()):
    return Fault(kind, "c2s", "c2s-1", "", began=began, healed=healed, links=list(links))


def test_dead_edge_is_noticed_when_the_first_contact_is_told():
    struck = at(10, 20)
    assert noticed(struck, [struck], told=[9, 14, 14.5]) == 4


def test_edge_that_wakes_in_time_need_not_be_missed():
    awake, dead = at(10, 13), at(17, 30)
    assert noticed(awake, [awake, dead], told=[21]) is None
    assert noticed(dead, [awake, dead], told=[21]) == 4


@pytest.mark.parametrize("struck", [at(10, 16), at(10, 16, "partition", LONG), at(10, 10.5, "kill")])
def test_edge_whose_end_nobody_was_told_of_counts(struck):
    assert noticed(struck, [struck], told=[]) == math.inf


def test_edge_that_one_link_was_taken_from_is_not_dead():
    struck = at(10, 20, "partition", LONG[:1])
    assert noticed(struck, [struck], told=[]) is None


def test_no_try_counts_before_the_machine_goes_on():
    assert seconds(fault("stop", "machine"), 21, (11, 1, 15), (16, 1)) == 1


def test_verdict_names_the_share():
    assert verdict([1] * 99 + [3], 2, 0.99) == "met"
    assert verdict([1, 1, 1, 3], 2, 0.99) == "MISSED 75.0%"
    assert verdict([], 2, 0.99) == "-"


def recovered_within(*times):
    """What is said to be missed by clients that were back after so long."""
    attached = [Attached(12 + each, None, "resumed", [Try(12, 1)]) for each in times]
    return list(missed([fault()], attached))


def test_clients_that_are_back_late_miss_the_goal():
    assert not recovered_within(*[0.1] * 30, 2.9, 2.9, 3.1)
    assert recovered_within(*[0.1] * 30, 3.1, 4) == ["2 of 32 clients were back after up to 4.0 s, not 2 s"]
    assert not recovered_within(*[0.1] * 298, 4, 4, 4)
    assert recovered_within(*[0.1] * 298, 4, 4, 4, 4)


@pytest.mark.parametrize(("struck", "after", "count"), [
    (fault(), 7.4, 0), (fault(), 7.6, 1), (fault(), math.inf, 1), (fault(), None, 0), (fault("kill"), 7.6, 1),
    (fault("partition", links=LONG), 7.6, 1), (fault("partition", links=LONG[:1]), 7.6, 0),
])  # fmt: skip
def test_dead_edge_that_is_noticed_late_misses_the_goal(struck, after, count):
    struck.noticed = after
    assert len(list(missed([struck], []))) == count


def test_who_was_back_before_a_fault_is_none_of_its_clients():
    assert not recoveries(fault(), [Attached(9.95, None, "resumed", [Try(5, 1)])])


def test_edge_that_lost_redis_alone_is_not_judged():
    attached = [Attached(17, None, "resumed", [Try(12, 1)])] * 9
    assert not list(missed([fault("partition", links=LONG[:1])], attached))
    assert list(missed([fault("partition", links=LONG[1:2])], attached))


@pytest.mark.parametrize(("stalls", "short", "count"), [([], 0, 0), ([(1, 2.5)], 0, 1), ([], 0.9, 1)])
def test_times_are_the_machines_own_where_it_was_slow(stalls, short, count):
    assert len(_hindered(SimpleNamespace(stalls=stalls, short_of_cpu=lambda: short))) == count
