"""Metrics in Prometheus' text format, written without its library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from django_telroi.services.statistics.periods import Outcome
from django_telroi.services.statistics.site_gauges import count_recent_calls, read_site_gauges
from django_telroi.telemetry.metrics import RECENT_CALLS, Metric
from django_telroi.telemetry.site_reader import gauge_values

ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
"""The characters that the format escapes in the value of a label."""


def site_text() -> str:
    """Return the gauges of the site and its calls of the last hour. Raises Unavailable without the database.

    The format is version 0.0.4 of Prometheus' text format. Each line ends with a line break.
    """
    gauges = gauge_values(read_site_gauges())
    lines = [line for metric, samples in gauges.items() for line in _family(metric, _by_key(samples))]
    return "\n".join([*lines, *_family(RECENT_CALLS, _recent(count_recent_calls())), ""])


def _by_key(samples: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for key, value in samples.items():
        yield _labels("key", key) if key else "", value


def _recent(calls: Mapping[Outcome, int]) -> Iterator[tuple[str, float]]:
    for outcome, count in calls.items():
        yield _labels("outcome", outcome), count


def _labels(name: str, value: str) -> str:
    return f'{{{name}="{str(value).translate(ESCAPED)}"}}'


def _family(metric: Metric, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {metric.prometheus_name} {metric.description}"
    yield f"# TYPE {metric.prometheus_name} {metric.kind}"
    for labels, value in samples:
        yield f"{metric.prometheus_name}{labels} {value}"
