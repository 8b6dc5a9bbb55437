"""What PostgreSQL has of rosters and offline messages; asked anew a few times a second."""

import time
from typing import NamedTuple

from stored import rows

from variety.client import Item

SUBSCRIPTIONS = ("none", "to", "from", "both")
ASK_AGAIN_SECONDS = 0.3
ROSTERS = (
    "SELECT a.localpart, i.jid, i.name, i.subscription, i.ask, i.pending_in, i.approved, i.in_roster"
    " FROM roster_items i JOIN accounts a ON a.id = i.account_id"
)
OFFLINE = "SELECT a.localpart, count(*) FROM offline_messages m JOIN accounts a ON a.id = m.account_id GROUP BY 1"


class Stored(NamedTuple):
    """A contact as the roster service has it (RFC 6121 appendix A)."""

    item: Item | None = None  # what clients see of it
    pending_in: bool = False
    approved: bool = False

    @property
    def subscription(self):
        return self.item.subscription if self.item else "none"

    @property
    def to(self):
        return self.subscription in ("to", "both")

    @property
    def has_from(self):
        return self.subscription in ("from", "both")

    @property
    def ask(self):
        return bool(self.item and self.item.ask)


class Database:
    def __init__(self, cluster):
        self.cluster = cluster
        self._kept = {}  # query: (when, rows)

    def _rows(self, query):
        when, found = self._kept.get(query, (0, None))
        if time.monotonic() - when > ASK_AGAIN_SECONDS:
            found = rows(self.cluster, query)
            self._kept[query] = (time.monotonic(), found)
        return found

    def contact(self, account, jid):
        return self._contacts(account).get(jid, Stored())

    def roster(self, account):
        """As a client that reads it must see it."""
        return {jid: stored.item for jid, stored in self._contacts(account).items() if stored.item}

    def _contacts(self, account):
        return {row[1]: _stored(row) for row in self._rows(ROSTERS) if row[0] == account}

    def offline(self):
        """How many messages wait, by account."""
        return {account: int(count) for account, count in self._rows(OFFLINE)}


def _stored(row):
    _, _, name, subscription, ask, pending_in, approved, in_roster = row
    item = Item(name, SUBSCRIPTIONS[int(subscription)], ask == "t") if in_roster == "t" else None
    return Stored(item, pending_in == "t", approved == "t")
