"""What the rows of bench/scale say together: how much dearer a message is at the end of an axis."""

import statistics
from dataclasses import dataclass

from harness import table


@dataclass(frozen=True, eq=False)
class Row:
    """What one size on one axis showed, round by round."""

    axis: str
    count: int
    size: object
    rounds: list

    def figures(self, key):
        return [one[key] for one in self.rounds if one[key] is not None]

    def spread(self, key, digits):
        return table.spread(self.figures(key), digits) if self.figures(key) else "disturbed"

    def median(self, key):
        return statistics.median(self.figures(key))


def grown(steps):
    """How much dearer a message is in the largest cluster than in the smallest."""
    shown = [
        f"{title} ({least.count:,} to {most.count:,}) {table.spread(ratios(least, most, 'cpu'), 2)}, "
        f"frames {table.spread(ratios(least, most, 'frames'), 2)}"
        for title, least, most in steps if ratios(least, most, "cpu")
    ]  # fmt: skip
    return ["", f"CPU per message at the end of each axis to its beginning, round by round: {'; '.join(shown)}."] if shown else []


def ratios(least, most, key):
    before = {one["round"]: one[key] for one in least.rounds}
    return [one[key] / before[one["round"]] for one in most.rounds if before.get(one["round"])]
