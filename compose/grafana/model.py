"""Panels and dashboards as Grafana's JSON has them. Pure: the same definitions give the same text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

COLUMNS = 24  # of Grafana's grid
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA_VERSION = 39


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One PromQL expression; `legend` as Grafana takes it. `instant`: the value of now, for stats and tables."""

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`width` in grid columns; `unit` is Grafana's id of it."""

    title: str
    queries: Sequence[Query]
    description: str
    kind: str = "timeseries"  # | stat | table
    width: int = 12
    height: int = 8
    unit: str = "short"
    stacked: bool = False
    thresholds: Sequence[tuple[float | None, str]] = ((None, "green"),)  # from this value on, this colour
    mapping: dict[str, tuple[str, str]] = field(default_factory=dict)  # value -> text, colour

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at a place of the grid."""
        return {
            "id": number,
            "title": self.title,
            "description": self.description,
            "type": self.kind,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "datasource": DATASOURCE,
            "targets": [_target(query, chr(ord("A") + place), self.kind) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": _options(self.kind),
        }

    def _defaults(self) -> Json:
        steps = [{"value": value, "color": color} for value, color in self.thresholds]
        defaults: Json = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}, "mappings": self._mappings()}
        if self.kind == "timeseries":
            defaults["custom"] = {
                "drawStyle": "line",
                "fillOpacity": 20 if self.stacked else 0,
                "showPoints": "never",
                "stacking": {"mode": "normal" if self.stacked else "none"},
            }
            defaults["color"] = {"mode": "palette-classic"}
        else:
            defaults["color"] = {"mode": "thresholds"}
        return defaults

    def _mappings(self) -> list[Json]:
        shown = {
            value: {"text": text, "color": color, "index": n} for n, (value, (text, color)) in enumerate(self.mapping.items())
        }
        return [{"type": "value", "options": shown}] if shown else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard: the values of a label."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Rows of panels. `uid` never changes: links and bookmarks hold it."""

    uid: str
    title: str
    description: str
    rows: Sequence[Sequence[Panel]]
    variables: Sequence[Variable] = ()

    def json(self) -> Json:
        """The whole dashboard, panels numbered and placed in reading order."""
        panels: list[Json] = []
        y = 0
        for row in self.rows:
            x = 0
            for panel in row:
                panels.append(panel.json(len(panels) + 1, x, y))
                x += panel.width
            y += max(panel.height for panel in row)
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["pcapline"],
            "schemaVersion": _SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "15s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "",
            "links": [
                {
                    "type": "dashboards",
                    "tags": ["pcapline"],
                    "title": "pcapline",
                    "asDropdown": True,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "templating": {"list": [_datasource_variable(), *map(_label_variable, self.variables)]},
            "annotations": {"list": []},
            "panels": panels,
        }


def _target(query: Query, ref: str, kind: str) -> Json:
    instant = query.instant or kind in ("stat", "table")
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if kind == "table" else "time_series",
    }


def _options(kind: str) -> Json:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "none", "textMode": "auto"}
    if kind == "table":
        return {"showHeader": True, "sortBy": [{"displayName": "Value", "desc": True}]}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}


def _datasource_variable() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0, "refresh": 1}


def _label_variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "definition": variable.query,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }
