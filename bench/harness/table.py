"""The tables of bench/RESULTS.md."""

import statistics
from collections import Counter

from harness import origin
from harness.run import problem_of

MANAGING = ["c2s", "router", "redis"]  # the services that stream management costs something


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


def render(scenarios, peers, reports, command, load):
    names = columns(peers)
    lines = [
        origin.heading(load, command, "; ".join(peer.version() for peer in peers)),
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
    lines += ["", *latencies(scenarios, names, reports), *managed(scenarios, names, reports)]
    lines += added(scenarios, reports)
    lines += [*generator(scenarios, names, reports), *failures(scenarios, reports)]
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


def added(scenarios, reports):
    """What stream management costs Parley, by service."""
    lines = [line for one in scenarios if one.without and (line := _added(one, reports))]
    if not lines:
        return []
    head = ["", "Parley's CPU without and with stream management, by service, us, medians:", ""]
    return [*head, f"| scenario | {' | '.join(MANAGING)} |", "|---|" + "---|" * len(MANAGING), *lines]


def _added(scenario, reports):
    sides = [
        [one for one in reports if (one["peer"], one["scenario"], one["ok"]) == ("parley", key, True)]
        for key in (scenario.without, scenario.key)
    ]
    if not all(sides):
        return ""
    without, with_it = map(service_medians, sides)
    return f"| {scenario.title} | {' | '.join(f'{without[name]:.2f} to {with_it[name]:.2f}' for name in MANAGING)} |"


def service_medians(reports):
    """us of a unit by service."""
    found = [by_service(report["processes"], "cpu_us_per_unit") for report in reports]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def generator(scenarios, names, reports):
    """What the load itself cost."""
    lines = [
        "",
        "CPU of the generator, us per delivery (login, resumption); it is not in the figures above:",
        "",
        "| scenario | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for one in scenarios:
        used = [by_round(reports, one.key, name, lambda report: report["load_cpu_us_per_unit"]).values() for name in names]
        lines.append(f"| {one.title} | {' | '.join(spread(list(found)) if found else '' for found in used)} |")
    return lines


def by_service(processes, key):
    """Of all instances of each service together."""
    total = Counter()
    for one in processes:
        total[one["name"].rsplit("-", 1)[0]] += one[key]
    return total


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


def write(path, part, text):
    """Replaces what stands between the marks of `part`; the rest of the file is written by people."""
    begin, end = f"<!-- {part}: written by a program -->", f"<!-- end of {part} -->"
    old = path.read_text() if path.exists() else f"# Results\n\n{begin}\n{end}\n"
    if begin not in old:
        old += f"\n{begin}\n{end}\n"
    head, rest = old.split(begin, 1)
    tail = rest.split(end, 1)[1]
    path.write_text(f"{head}{begin}\n{text}{end}{tail}")
