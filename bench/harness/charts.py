"""Bar and line charts as SVG, by hand: nothing to install."""

import statistics
from html import escape

from harness.table import by_round, columns, latency, values

COLOURS = {"parley": "#2a6f97", "ejabberd": "#b5838d", "prosody": "#a3a380"}
OTHER = "#777777"
PALETTE = ["#2a6f97", "#bc6c25", "#588157", "#8d6a9f"]
FONT = 'font-family="sans-serif" font-size="12" fill="#333"'


def write(directory, scenarios, peers, reports):
    """Those that there are figures for: (what it shows, file)."""
    names = columns(peers)
    shared = [one for one in scenarios if not one.server]
    median = lambda one, name: statistics.median(found) if (found := values(reports, one, name)) else None
    p99 = lambda one, name: latency(reports, one, name, "p99")
    speed = lambda one, name: rate(reports, one, name)
    written = []
    for file, title, unit, value in [
        ("cpu.svg", "Server CPU per delivery (us)", "us", median),
        ("login.svg", "Server CPU (ms)", "ms", median),
        ("memory.svg", "Memory per idle connection (KiB, proportional)", "KiB", median),
        ("latency.svg", "Latency, 99th percentile (ms)", "us", p99),
        ("throughput.svg", "Deliveries a second on the whole machine, generator included", "us", speed),
    ]:
        groups = [(one.title, {name: value(one, name) for name in names}) for one in shared if one.unit == unit]
        if text := bars(title, groups):
            (directory / file).write_text(text)
            written.append((title, file))
    return written


def rate(reports, scenario, name):
    found = by_round(reports, scenario.key, name, lambda report: report["per_second"]).values()
    return statistics.median(found) if found else None


def bars(title, groups):
    """`groups`: (label, {series: value or None}). Each group has its own scale: what matters is who is ahead."""
    groups = [(label, {k: v for k, v in series.items() if v is not None}) for label, series in groups]
    groups = [(label, series) for label, series in groups if series]
    if not groups:
        return ""
    left, width, bar, gap = 330, 380, 16, 12
    height = 50 + sum(len(series) * bar + gap for _, series in groups)
    out = [head(left + width + 110, height, title)]
    y = 44
    for label, series in groups:
        most = max(series.values())
        middle = y + len(series) * bar / 2 + 4
        out.append(f'<text x="{left - 10}" y="{middle:.0f}" text-anchor="end" {FONT}>{escape(label)}</text>')
        for name, value in series.items():
            length = max(1, width * value / most)
            out.append(
                f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{COLOURS.get(name, OTHER)}"/>'
                f'<text x="{left + length + 6:.1f}" y="{y + 11}" {FONT}>{escape(name)} {number(value)}</text>'
            )
            y += bar
        y += gap
    return "\n".join([*out, "</svg>\n"])


def lines(title, x_label, series):
    """`series`: {name: [(x, y)]}; x is placed by rank, as sizes double or multiply."""
    xs = sorted({x for points in series.values() for x, _ in points})
    most = max(y for points in series.values() for _, y in points) * 1.15
    left, top, width, height = 70, 44, 560, 260
    place = lambda x: left + width * (xs.index(x) + 0.5) / len(xs)
    level = lambda y: top + height - height * y / most
    below = top + height + 66
    out = [head(left + width + 40, below + 20 * len(series), title)]
    out.append(f'<path d="M{left} {top} V{top + height} H{left + width}" fill="none" stroke="#999"/>')
    for x in xs:
        out.append(f'<text x="{place(x):.0f}" y="{top + height + 18}" text-anchor="middle" {FONT}>{x:,}</text>')
    out.append(f'<text x="{left + width / 2:.0f}" y="{top + height + 40}" text-anchor="middle" {FONT}>{escape(x_label)}</text>')
    for tick in range(5):
        y = most * tick / 4
        out.append(f'<text x="{left - 8}" y="{level(y) + 4:.0f}" text-anchor="end" {FONT}>{number(y)}</text>')
    for number_of, (name, points) in enumerate(series.items()):
        colour, y = PALETTE[number_of % len(PALETTE)], below + 20 * number_of
        path = " ".join(f"{'ML'[i > 0]}{place(x):.1f} {level(y):.1f}" for i, (x, y) in enumerate(sorted(points)))
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<path d="M{left} {y - 4} h24" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{left + 32}" y="{y}" {FONT}>{escape(name)}</text>')
    return "\n".join([*out, "</svg>\n"])


def head(width, height, title):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="14" y="24" font-family="sans-serif" font-size="15" fill="#111">{escape(title)}</text>'
    )


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
