"""Draws docs/overview.png: panels of the overview dashboard with data of a real run. Not part of any test; needs
python3-matplotlib and prometheus:  PYTHONPATH=tools /usr/bin/python3 -m parley_ops.picture"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "ops")]

import matplotlib  # noqa: E402

matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import EngFormatter  # noqa: E402

from parley_dev.cluster import Cluster  # noqa: E402
from parley_ops.dashboards import render  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from traffic import Traffic  # noqa: E402

SECONDS = 150
PANELS = ["Stanzas from clients", "Stanzas to clients", "Message to the recipient's edge", "What came of stanzas",
          "Sessions by edge", "Logins", "CPU", "Memory", "Loop lag, p99"]
UNITS = {"ops": "/s", "s": "s", "bytes": "B", "short": ""}
RESTARTED = "c2s-2"


async def load(traffic, cluster, pairs):
    """Pairs of friends talk; one edge is restarted half-way, and its clients come back."""
    until = time.monotonic() + SECONDS

    async def pair(number):
        while time.monotonic() < until:
            here = []
            try:
                here = [await traffic.login(2 * number), await traffic.login(2 * number + 1)]
                romeo, juliet = here
                while time.monotonic() < until:
                    await traffic.talk(romeo, juliet, 5)
                    await traffic.talk(juliet, romeo, 5)
                    await asyncio.sleep(0.5)
            except Exception:  # an edge stops: both log in again
                for raw in here:
                    raw.abort()
                await asyncio.sleep(0.2)

    async def restart():
        await asyncio.sleep(SECONDS / 2)
        await asyncio.to_thread(cluster.stop, RESTARTED)
        await asyncio.to_thread(cluster.start, RESTARTED)

    await asyncio.gather(restart(), *(pair(number) for number in range(pairs)))


def draw(prometheus, began, ended):
    board = {panel["title"]: panel for panel in render("overview")["panels"]}
    figure, axes = pyplot.subplots(3, 3, figsize=(13, 8), layout="constrained")
    for axis, title in zip(axes.flat, PANELS):
        panel = board[title]
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "10s")
            found = prometheus.get("query_range", query=expression, start=began, end=ended, step=1)["result"]
            for series in found:
                label = target["legendFormat"]
                for name, value in series["metric"].items():
                    label = label.replace("{{%s}}" % name, value)
                points = [(float(at) - began, float(value)) for at, value in series["values"]]
                axis.plot(*zip(*points), label=label, linewidth=1.2)
        axis.set_title(title, fontsize=10)
        axis.set_ylim(bottom=0)
        axis.yaxis.set_major_formatter(EngFormatter(UNITS[panel["fieldConfig"]["defaults"]["unit"]]))
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6, loc="best")
    figure.supxlabel("seconds", fontsize=8)
    figure.savefig(ROOT / "docs" / "overview.png", dpi=90)


def main(pairs=20):
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(directory)
        counts = {"c2s": 2, "router": 2, "roster": 1}
        cluster.up(counts, ["localhost"], [], quiet=True, fixed_ports=False, built=True, demo_users=False)
        try:
            traffic = Traffic(cluster, accounts=2 * pairs)
            asyncio.run(traffic.once())
            (Path(directory) / "prometheus").mkdir()
            with Prometheus(cluster, Path(directory) / "prometheus") as prometheus:
                began = time.time()
                asyncio.run(load(traffic, cluster, pairs))
                draw(prometheus, began, time.time())
        finally:
            cluster.down()


if __name__ == "__main__":
    main()
