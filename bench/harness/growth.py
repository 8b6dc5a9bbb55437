"""What the rows of bench/scale say together: whether the size of a cluster costs anything by itself."""

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


def fit(points):
    """(a, b, share explained) of y = a + b * x, by least squares."""
    xs, ys = zip(*points)
    slope, intercept = statistics.linear_regression(xs, ys)
    return intercept, slope, statistics.correlation(xs, ys) ** 2


def conclusion(rows, steps):
    """Paragraphs. `rows`: all at the same load; `steps`: (title, smallest row, largest row) of each axis."""
    lines = grown(steps)
    distinct = list({row.size: row for row in rows}.values())
    points = [(one["frames"], one["cpu"]) for row in distinct for one in row.rounds]
    if len(distinct) > 2 and len({x for x, _ in points}) > 1:
        lines += ["", explained(distinct, points)]
    return lines


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


def explained(rows, points):
    each, frame, share = fit(points)
    off = {row: row.median("cpu") / (each + frame * row.median("frames")) - 1 for row in rows}
    largest = max(rows, key=lambda row: row.size.processes)
    noise = max(abs(one["cpu"] / row.median("cpu") - 1) for row in rows for one in row.rounds)
    text = (
        f"Least squares over all rounds at 10 in flight without stream management: CPU = {each:.1f} us + {frame:.0f} us x frames "
        f"per message, which explains {share:.0%} of the variance. Rows are off by {min(off.values()):+.0%} to "
        f"{max(off.values()):+.0%} in the median, the one with most processes by {off[largest]:+.0%}; rounds of one row differ "
        f"from its median by up to {noise:.0%}. "
    )
    if frame > 0 and off[largest] <= noise:
        return text + (
            "So the size of the cluster costs nothing that shows beside noise: the same load over more processes makes smaller "
            "batches, and it is frames that cost."
        )
    return text + "So frames do not explain all that the largest cluster costs."
