"""When what was written to a client without stream management may have been lost: its connection was dead already."""

from typing import NamedTuple

from faults import MACHINE

UNREAD_SECONDS = 1  # for which a client may not have read what was written to it
UNNOTICED_SECONDS = 1  # after which an edge that runs knows that a client has hung up


class Exposed(NamedTuple):
    client: object
    edge: str
    since: float
    until: float  # its connection ended

    def under(self, fault):
        """From when to when. What a fault holds back is written after it; by an edge that was frozen, before that knows
        who has hung up meanwhile."""
        since, until = self.since, self.until
        if fault is not None and fault.began <= until <= fault.healed + UNREAD_SECONDS:
            since = min(since, fault.began)
            if fault.kind == "stop" and fault.victim in (self.edge, MACHINE):
                until = max(until, fault.healed)
        return since - UNREAD_SECONDS, until + UNNOTICED_SECONDS
