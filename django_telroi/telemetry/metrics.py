"""The metrics of this package: names, units, labels and buckets. They are the same for both libraries.

The names and units follow the conventions of OpenTelemetry. ``prometheus_name`` is the name that OpenTelemetry's
exporters give the metric in Prometheus, so one board and one set of alerts fit both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from django_telroi.client.observers import guarded

MetricLabels: TypeAlias = Mapping[str, str | int]
GaugeSamples: TypeAlias = Mapping["Metric", Mapping[str, float]]
"""The values of each gauge by the name of the key. Without this label, and with one key, the only name is ``""``."""


class MetricKind(StrEnum):
    """The kind of a metric. A gauge is read when it is collected, the others are written when something happens."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True)
class Metric:
    """One metric. ``unit``: a UCUM unit, such as ``s``, or what is counted, in braces. ``buckets``: in that unit."""

    name: str
    kind: MetricKind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        unit = {"s": "_seconds"}.get(self.unit, "")
        total = "_total" if self.kind == MetricKind.COUNTER else ""
        return f"{self.name.replace('.', '_')}{unit}{total}"

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        return tuple(label.replace(".", "_") for label in self.labels)


class MetricSink(Protocol):
    """A library that metrics are written to."""

    def add(self, metric: Metric, labels: MetricLabels) -> None:
        """Add one to a counter."""

    def record(self, metric: Metric, value: float, labels: MetricLabels) -> None:
        """Add a value to a histogram."""


REQUEST_DURATION = Metric(
    "telroi.client.request.duration",
    MetricKind.HISTOGRAM,
    "s",
    "Duration of requests to Telroi.",
    ("operation", "outcome", "http.request.method", "http.response.status_code", "error.type", "server.address", "key"),
    # Those of the conventions for HTTP, and two more, because Telroi may need 20 s for a call.
    (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 30),
)
CALLS = Metric(
    "telroi.calls",
    MetricKind.COUNTER,
    "{call}",
    "Calls by their outcome: placed, failed, unknown, or expired in the queue.",
    ("status", "code", "region", "purpose", "key"),
)
REFUSALS = Metric(
    "telroi.refusals",
    MetricKind.COUNTER,
    "{request}",
    "Rejected starts, and checks that a rate limit rejected.",
    ("code", "region"),
)
CODES = Metric(
    "telroi.codes",
    MetricKind.COUNTER,
    "{code}",
    "Typed codes that were judged, by their outcome.",
    ("outcome", "region", "purpose", "key"),
)
VERIFICATION_DURATION = Metric(
    "telroi.verification.duration",
    MetricKind.HISTOGRAM,
    "s",
    "Time from the request of a call to the right code.",
    ("region", "purpose", "key"),
    (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 600),
)
QUEUE_WAIT = Metric(
    "telroi.queue.wait.duration",
    MetricKind.HISTOGRAM,
    "s",
    "Time from the request of a queued call until a worker placed it.",
    ("region", "purpose", "key"),
    (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120),
)
QUEUE_DEPTH = Metric("telroi.queue.depth", MetricKind.GAUGE, "{call}", "Calls that wait in the queue.")
QUEUE_AGE = Metric("telroi.queue.age", MetricKind.GAUGE, "s", "How long the oldest call in the queue has waited.")
NUMBERS_LIMITED = Metric(
    "telroi.numbers.limited", MetricKind.GAUGE, "{number}", "Numbers that cannot be called now because of a limit."
)
CALLS_STOPPED = Metric("telroi.calls.stopped", MetricKind.GAUGE, "{switch}", "1 while staff have stopped all calls.")
KEY_BUDGET = Metric(
    "telroi.key.budget", MetricKind.GAUGE, "{request}", "Requests that each window of the key's budget allows."
)
KEY_BUDGET_LEFT = Metric(
    "telroi.key.budget.left", MetricKind.GAUGE, "{request}", "Requests that the current window still allows.", ("key",)
)
RECENT_CALLS = Metric(
    "telroi.recent.calls",
    MetricKind.GAUGE,
    "{call}",
    "Calls that were requested in the last hour, by their outcome now. Only in the output of telroi_metrics.",
    ("outcome",),
)

EVENT_METRICS = (REQUEST_DURATION, CALLS, REFUSALS, CODES, VERIFICATION_DURATION, QUEUE_WAIT)
GAUGES = (QUEUE_DEPTH, QUEUE_AGE, NUMBERS_LIMITED, CALLS_STOPPED, KEY_BUDGET, KEY_BUDGET_LEFT)
METRICS = (*EVENT_METRICS, *GAUGES, RECENT_CALLS)


def write_to_each(sinks: Iterable[MetricSink], write: Callable[[MetricSink], None]) -> None:
    """Call ``write`` with each sink, also if it raises for one of them."""
    for sink in sinks:
        guarded(lambda sink=sink: write(sink))  # type: ignore[misc]
