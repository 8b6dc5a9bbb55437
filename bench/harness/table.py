"""The tables of bench/RESULTS.md."""

import os
import platform
import statistics
from pathlib import Path

from harness.run import problem_of


def values(reports, scenario, peer):
    """Of rounds in which every delivery was right."""
    return [
        scenario.value(report)
        for report in reports
        if report["peer"] == peer and report["scenario"] == scenario.key and report["ok"]
    ]


def spread(numbers):
    """median (least-most)"""
    if not numbers:
        return "failed"
    digits = 2 if max(numbers) < 10 else 1
    middle = f"{statistics.median(numbers):.{digits}f}"
    return middle if len(numbers) == 1 else f"{middle} ({min(numbers):.{digits}f}-{max(numbers):.{digits}f})"


def ratio(reports, scenario):
    """Parley to the better peer of the same round: the machine's noise hits both."""
    found = []
    for number in {report["round"] for report in reports}:
        mine = [scenario.value(r) for r in reports if _is(r, scenario, number) and r["peer"] == "parley"]
        others = [scenario.value(r) for r in reports if _is(r, scenario, number) and r["peer"] != "parley"]
        if mine and others:
            found.append(mine[0] / min(others))
    return spread(found) if found else ""


def _is(report, scenario, number):
    return report["scenario"] == scenario.key and report["round"] == number and report["ok"]


def latency(reports, scenario, peer, key):
    found = [r["latency_ms"][key] for r in reports if r["peer"] == peer and r["scenario"] == scenario.key and r["ok"]]
    return statistics.median(found) if found else None


def render(scenarios, peers, reports, arguments, load):
    names = [peer.name for peer in peers]
    lines = [
        f"`bench/compare --rounds {arguments.rounds} --seconds {arguments.seconds:g}` on {machine()}; "
        + "; ".join(peer.version() for peer in peers) + f". Load average before it began: {load:.1f}.",
        "",
        "Server CPU per delivery unless the row says otherwise; median of the rounds (least-most). "
        "The ratio is Parley to the better peer, round by round.",
        "",
        "| scenario | unit | " + " | ".join(names) + " | ratio | budget |",
        "|---|---|" + "---|" * (len(names) + 2),
    ]
    for one in scenarios:
        cells = [spread(values(reports, one, name)) if not _absent(reports, one, name) else "" for name in names]
        lines.append(f"| {one.title} | {one.unit} | {' | '.join(cells)} | {ratio(reports, one)} | {one.budget} |")
    lines += ["", *latencies(scenarios, names, reports), *failures(scenarios, reports)]
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
        "Latency p50 / p99 in ms and deliveries a second (medians):",
        "",
        "| scenario | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for one in scenarios:
        cells = []
        for name in names:
            p50, p99 = (latency(reports, one, name, key) for key in ("p50", "p99"))
            rates = [r["per_second"] for r in reports if _right(r, one, name)]
            cells.append(f"{p50:.2f} / {p99:.2f}; {statistics.median(rates):,.0f}" if rates else "")
        lines.append(f"| {one.title} | {' | '.join(cells)} |")
    return lines


def _right(report, scenario, name):
    return report["peer"] == name and report["scenario"] == scenario.key and report["ok"]


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
