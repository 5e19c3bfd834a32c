"""The page, the board and the alert rules name the metrics that exist, and their labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django_telroi.telemetry.metrics import METRICS, MetricKind

ENTRY = re.compile(
    r"^\.\. metric:: (\S+)\n\n   :Prometheus: ``(\w+)``\n   :Kind: (\w+)\n(?:   :Labels: (.*)\n)?", re.MULTILINE
)
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
    page = (DOCS / "reference" / "metrics.rst").read_text()

    listed = {name: tuple(re.findall(r"``(\S+)``", labels)) for name, *_, labels in ENTRY.findall(page)}
    facts = {name: (prometheus, kind) for name, prometheus, kind, _ in ENTRY.findall(page)}

    assert listed == {metric.name: metric.labels for metric in METRICS}
    assert facts == {metric.name: (metric.prometheus_name, metric.kind) for metric in METRICS}
