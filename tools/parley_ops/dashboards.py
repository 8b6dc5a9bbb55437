"""Grafana's JSON from panels.py."""

import json

from parley_ops.panels import DASHBOARDS

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH = 24
STAT_HEIGHT, PANEL_HEIGHT, PANEL_WIDTH = 4, 8, 8


def _targets(queries, chosen):
    return [
        {"refId": chr(ord("A") + at), "expr": expr.replace("$i", chosen), "legendFormat": legend, "datasource": SOURCE}
        for at, (expr, legend) in enumerate(queries)
    ]


def _panel(number, kind, title, unit, queries, note, chosen, place):
    x, y, width, height = place
    return {
        "id": number,
        "type": kind,
        "title": title,
        "description": note,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {} if kind == "stat" else {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list"}},
        "targets": _targets(queries, chosen),
    }


def _variables(chosen_by_instance, service):
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    if not chosen_by_instance:
        return [source]
    query = f'label_values(up{{job="parley", service="{service}"}}, instance)'
    return [
        source,
        {"name": "instance", "type": "query", "datasource": SOURCE, "query": query, "refresh": 2}
        | {"includeAll": True, "allValue": ".*", "multi": True, "current": {"text": "All", "value": "$__all"}},
    ]


def render(name):
    board = DASHBOARDS[name]
    service = board.get("service")
    chosen = f'job="parley", service="{service}", instance=~"$instance"' if service else 'job="parley"'
    panels, top = [], 0
    stats = board.get("stats", [])
    for at, (title, unit, queries) in enumerate(stats):
        left, right = WIDTH * at // len(stats), WIDTH * (at + 1) // len(stats)
        place = (left, 0, right - left, STAT_HEIGHT)
        panels.append(_panel(len(panels) + 1, "stat", title, unit, queries, "", chosen, place))
        top = STAT_HEIGHT
    across = WIDTH // PANEL_WIDTH
    for at, (title, unit, queries, note) in enumerate(board["rows"]):
        place = (at % across * PANEL_WIDTH, top + at // across * PANEL_HEIGHT, PANEL_WIDTH, PANEL_HEIGHT)
        panels.append(_panel(len(panels) + 1, "timeseries", title, unit, queries, note, chosen, place))
    return {
        "title": board["title"],
        "uid": board["uid"],
        "tags": ["parley"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(service is not None, service)},
        "links": [{"type": "dashboards", "tags": ["parley"], "title": "Parley", "asDropdown": True, "keepTime": True}],
        "panels": panels,
    }


def files():
    """Content by path below the root."""
    return {
        f"deploy/grafana/{name}.json": json.dumps(render(name), indent=1, ensure_ascii=False) + "\n"
        for name in DASHBOARDS
    }
