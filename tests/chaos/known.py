"""A client as the judges of ./parley chaos variety see it, for their tests."""

from session import Incarnation


class Known:
    """What judges look at of one."""

    view, over, announced, fickle, told, absence = {}, False, None, False, 0, None

    def __init__(self, name):
        self.account, self.jid, self.wanted = name, f"{name}@localhost", f"{name}@localhost/r"
        self.incarnation, self.listeners = Incarnation(1), []

    def lose(self, confirmed=0, began=0):
        """Its session; `confirmed` stanzas of it will not come again."""
        self.incarnation.lost, self.incarnation.confirmed = True, confirmed
        self.incarnation = Incarnation(self.incarnation.number + 1, began)

    def log_out(self, at, confirmed):
        self.over, self.over_since = True, at
        self.incarnation.lost, self.incarnation.confirmed = True, confirmed
