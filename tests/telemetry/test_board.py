"""The page, the board and the alert rules name the metrics that exist, and their labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django_telroi.telemetry.metrics import METRICS, MetricKind

DOCS = Path(__file__).parents[2] / "docs"
SUFFIXES = {MetricKind.HISTOGRAM: ("_bucket", "_count", "_sum")}
SERIES = {
    metric.prometheus_name + suffix: {*metric.prometheus_labels, "le"}
    for metric in METRICS
    for suffix in SUFFIXES.get(metric.kind, ("",))
}


def used_by(expression: str) -> set[str]:
    """Return the series of an expression of PromQL. Fails for a label that a series does not have."""
    names = set(re.findall(r"\btelroi_\w+", expression))
    labels = set(re.findall(r"(\w+)\s*!?=~?\s*\"", expression))
    labels |= {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in re.findall(r"\w+", group)}
    for name in names:
        assert name in SERIES, expression
        assert labels <= SERIES[name] or len(names) > 1, expression
    return names


def test_the_board_shows_every_metric() -> None:
    board = json.loads((DOCS / "_static" / "grafana-telroi.json").read_text())

    shown = {name for panel in board["panels"] for target in panel["targets"] for name in used_by(target["expr"])}

    assert {re.sub("_(bucket|count|sum)$", "", name) for name in shown} == {m.prometheus_name for m in METRICS}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_alert_rules_use_metrics_that_exist() -> None:
    rules = (DOCS / "_static" / "telroi-alerts.yml").read_text()

    expressions = re.split(r"^      - alert: ", rules, flags=re.MULTILINE)[1:]

    assert len(expressions) >= 8
    assert all(used_by(each.partition("expr:")[2].partition("labels:")[0]) for each in expressions)


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = (DOCS / "howto" / "monitoring.rst").read_text()
    rows = re.findall(r"^   \* - (\S.*)\n     - ``(\w+)``\n     - ((?:.*\n)(?:       .*\n)*)", page, re.MULTILINE)

    listed = {prometheus: (name, text) for name, prometheus, text in rows}

    assert listed.keys() == {metric.prometheus_name for metric in METRICS}
    for metric in METRICS:
        name, text = listed[metric.prometheus_name]
        assert name in (f"``{metric.name}``", "(none)")
        assert [label for label in metric.labels if f"``{label}``" not in text] == []
