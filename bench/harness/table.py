"""The tables of bench/RESULTS.md."""

import os
import platform
import statistics
from datetime import date
from pathlib import Path

from harness.run import problem_of


def values(reports, scenario, peer):
    """Of rounds in which every delivery was right."""
    return list(by_round(reports, scenario.key, peer, scenario.value).values())


def by_round(reports, key, peer, value):
    return {one["round"]: value(one) for one in reports if one["peer"] == peer and one["scenario"] == key and one["ok"]}


def spread(numbers, digits=None):
    """median (least-most)"""
    if not numbers:
        return "failed"
    if digits is None:
        digits = 2 if max(numbers) < 10 else 1
    middle = f"{statistics.median(numbers):,.{digits}f}"
    return middle if len(numbers) == 1 else f"{middle} ({min(numbers):,.{digits}f}-{max(numbers):,.{digits}f})"


def ratio(reports, scenario):
    """Parley to the better peer of the same round: the machine's noise hits both."""
    mine = by_round(reports, scenario.key, "parley", scenario.value)
    peers = {one["peer"] for one in reports} - {"parley"}
    theirs = [by_round(reports, scenario.like or scenario.key, peer, scenario.value) for peer in sorted(peers)]
    best = {number: min(found) for number in mine if (found := [one[number] for one in theirs if number in one])}
    return spread([mine[number] / best[number] for number in best]) if best else ""


def latency(reports, scenario, peer, key):
    found = latencies_of(reports, scenario, peer, key)
    return statistics.median(found) if found else None


def latencies_of(reports, scenario, peer, key):
    return list(by_round(reports, scenario.key, peer, lambda report: report["latency_ms"][key]).values())


def columns(peers):
    return list(dict.fromkeys(peer.column for peer in peers))


def render(scenarios, peers, reports, arguments, load):
    names = columns(peers)
    lines = [
        f"`bench/compare --rounds {arguments.rounds} --seconds {arguments.seconds:g}`, {date.today()}, on {machine()}; "
        + "; ".join(peer.version() for peer in peers) + f". Load average before it began: {load:.1f}.",
        "",
        "Server CPU per delivery unless the row says otherwise; median of the rounds (least-most). "
        "The ratio is Parley to the better peer, round by round; where only Parley has figures, to the peers' of the row with the "
        "same load.",
        "",
        "| scenario | unit | " + " | ".join(names) + " | ratio | budget |",
        "|---|---|" + "---|" * (len(names) + 2),
    ]
    for one in scenarios:
        cells = [spread(values(reports, one, name)) if not _absent(reports, one, name) else "" for name in names]
        lines.append(f"| {one.title} | {one.unit} | {' | '.join(cells)} | {ratio(reports, one)} | {one.budget} |")
    lines += ["", *latencies(scenarios, names, reports), *managed(scenarios, names, reports), *failures(scenarios, reports)]
    return "\n".join(lines) + "\n"


def failures(scenarios, reports):
    """Runs that do not count."""
    titles = {one.key: one.title for one in scenarios}
    wrong = [one for one in reports if not one["ok"]]
    lines = [f"* {one['peer']}, round {one['round'] + 1}, {titles[one['scenario']]}: {problem_of(one)}" for one in wrong]
    return ["", "Not counted, as something went wrong:", *lines] if wrong else []


def images(plots):
    """`plots`: (what it shows, file in results/)."""
    return "\n" + " ".join(f"![{title}](results/{file})" for title, file in plots) + "\n"


def _absent(reports, scenario, name):
    return not any(r["peer"] == name and r["scenario"] == scenario.key for r in reports)


def latencies(scenarios, names, reports):
    lines = [
        "Latency p50 / p99 in ms and deliveries a second; medians, of p99 (least-most):",
        "",
        "| scenario | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for one in scenarios:
        cells = []
        for name in names:
            rates = list(by_round(reports, one.key, name, lambda report: report["per_second"]).values())
            p99 = spread(latencies_of(reports, one, name, "p99"), 2)
            shown = lambda: f"{latency(reports, one, name, 'p50'):.2f} / {p99}; {statistics.median(rates):,.0f}"
            cells.append(shown() if rates else "")
        lines.append(f"| {one.title} | {' | '.join(cells)} |")
    return lines


def managed(scenarios, names, reports):
    """What stream management costs each server."""
    rows = [f"| {one.title} | {' | '.join(_cost(reports, one, name) for name in names)} |" for one in scenarios if one.without]
    if not rows:
        return []
    return [
        "",
        "With stream management to without, round by round: CPU; p50; p99:",
        "",
        "| scenario | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
        *rows,
    ]


def _cost(reports, scenario, name):
    cells = []
    for value in (scenario.value, lambda one: one["latency_ms"]["p50"], lambda one: one["latency_ms"]["p99"]):
        with_it, without = (by_round(reports, key, name, value) for key in (scenario.key, scenario.without))
        both = [with_it[number] / without[number] for number in with_it if without.get(number)]
        cells.append(spread(both, 2) if both else "")
    return "; ".join(cells) if any(cells) else ""


def machine():
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
            break
    return f"{os.cpu_count()} CPUs ({model}), Linux {platform.release().split('-')[0]}"


def write(path, part, text):
    """Replaces what stands between the marks of `part`; the rest of the file is written by people."""
    begin, end = f"<!-- {part}: written by a program -->", f"<!-- end of {part} -->"
    old = path.read_text() if path.exists() else f"# Results\n\n{begin}\n{end}\n"
    if begin not in old:
        old += f"\n{begin}\n{end}\n"
    head, rest = old.split(begin, 1)
    tail = rest.split(end, 1)[1]
    path.write_text(f"{head}{begin}\n{text}{end}{tail}")
