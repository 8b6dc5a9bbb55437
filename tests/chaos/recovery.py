"""How fast clients talk again, and how fast a dead edge is noticed: against the goals.

A client's time begins with its first try that could work: not at an edge that is stopped or cut off itself, and not
before a store that all need is back. What it wastes at a dead edge, or what a store is away, nobody can give back to it;
its back-off after that is its own, too.
"""

import math
from dataclasses import dataclass

from faults import MACHINE

BACK_SECONDS, BACK_SHARE = 2, 0.99
NOTICED_SECONDS = 5
BY_FAR = 1.5  # times the goal; what is a little above it may be the machine's
NOTICE_SECONDS = 20  # what is noticed later has another cause
ALL_NEED = ("redis", "postgres", MACHINE)


@dataclass(slots=True)
class Try:
    """Of a client, to attach. `until`: when it failed; None: it worked."""

    since: float
    edge: int
    until: float | None = None


@dataclass(slots=True)
class Recovery:
    at: float
    session: object
    edge: int
    seconds: float  # from the first try that could work
    tried: float  # from the first try


def recoveries(fault, attached):
    """Of the sessions that were resumed between this fault's beginning and the end of the recovery from it."""
    return [
        _recovery(fault, row)
        for row in attached
        if row.how == "resumed" and fault.began <= row.at <= fault.recovered
    ]


def _recovery(fault, row):
    begun = (_begun(fault, attempt) for attempt in row.tries)
    began = min(start for start in begun if start is not None)
    seconds = max(0, row.at - began)  # before its time: it happened to need nothing of what was away
    return Recovery(row.at, row.session, row.tries[-1].edge, seconds, row.at - row.tries[0].since)


def _begun(fault, attempt):
    """When this try could begin to work; None: never."""
    meanwhile = attempt.since < fault.healed and (attempt.until is None or attempt.until > fault.began)
    hopeless = meanwhile and disables(fault, attempt.edge)
    begun = fault.healed if hopeless else attempt.since
    return begun if attempt.until is None or attempt.until > begun else None


def disables(fault, edge):
    """Whether no client can attach to this edge (a number from 0) while the fault lasts."""
    whole = fault.kind != "partition" or len(fault.links) > 1
    name = f"c2s-{edge + 1}"
    if fault.service in ALL_NEED:
        return whole or fault.links[0].startswith(f"{name}>")
    return fault.victim == name and (whole or fault.links[0] == f"{name}>redis")


def noticed(fault, faults, told):
    """Seconds until a contact was `told` that the witness on this edge is gone. None: nobody was, nor had to be, since
    the edge was back in time. Infinite: nobody was until the edge's next fault."""
    later = [other.began for other in faults if other.victim == fault.victim and other.began > fault.began]
    until = min([*later, fault.began + NOTICE_SECONDS])
    times = [at - fault.began for at in told if fault.began <= at < until]
    if times:
        return min(times)
    return math.inf if gone_for_long(fault) else None


def gone_for_long(fault):
    """Whether the edge that this was done to could be reached by nobody until it had to be noticed."""
    if fault.kind == "partition" and len(fault.links) == 1:
        return False
    held = fault.kind in ("stop", "partition")
    return not held or fault.healed - fault.began > NOTICED_SECONDS


def stood_still(recovery, stalls):
    """Seconds of this recovery in which the driver itself stood still. `stalls`: (from, to)."""
    began = recovery.at - recovery.seconds
    return sum(max(0, min(to, recovery.at) - max(since, began)) for since, to in stalls)


def missed(faults, attached):
    """The goals that these faults show to be missed by far, in words. One client may be late among a few, too. An edge
    that lost Redis alone meets them by no means (CONTRIBUTING.md)."""
    judged = [fault for fault in faults if not _lost_redis_alone(fault)]
    back = [row.seconds for fault in judged for row in recoveries(fault, attached)]
    late = sorted(seconds for seconds in back if seconds > BACK_SECONDS * BY_FAR)
    if len(late) > max(1, (1 - BACK_SHARE) * len(back)):
        yield f"{len(late)} of {len(back)} clients were back after up to {late[-1]:.1f} s, not {BACK_SECONDS} s"
    for fault in judged:
        if fault.noticed is not None and fault.noticed > NOTICED_SECONDS * BY_FAR and gone_for_long(fault):
            yield f"{fault.text}: noticed after {fault.noticed:.1f} s, not {NOTICED_SECONDS} s"


def _lost_redis_alone(fault):
    return fault.kind == "partition" and len(fault.links) == 1 and fault.links[0].endswith(">redis")


def within(values, limit):
    """The share of them."""
    return sum(value <= limit for value in values) / len(values)


def verdict(values, limit, share):
    """In a word: whether this share of them is within the limit."""
    if not values:
        return "-"
    return "met" if within(values, limit) >= share else f"MISSED {within(values, limit):.1%}"
