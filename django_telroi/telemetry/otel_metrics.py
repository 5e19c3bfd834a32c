"""The metrics in OpenTelemetry. Only its API is used: without a provider of the site, nothing is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, MeterProvider, Observation

import django_telroi
from django_telroi.telemetry.metrics import EVENT_METRICS, GAUGES, Metric, MetricKind, MetricLabels
from django_telroi.telemetry.site_reader import SiteReader


class OtelMetrics:
    """Writes counters and histograms, and offers the gauges to each collection.

    ``provider``: None for the global provider, which may be set later.
    """

    def __init__(self, reader: SiteReader, provider: MeterProvider | None = None) -> None:
        meter = metrics.get_meter("django_telroi", django_telroi.__version__, provider)
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        for metric in EVENT_METRICS:
            if metric.kind == MetricKind.COUNTER:
                self._counters[metric] = meter.create_counter(metric.name, metric.unit, metric.description)
            else:
                self._histograms[metric] = meter.create_histogram(
                    metric.name,
                    metric.unit,
                    metric.description,
                    explicit_bucket_boundaries_advisory=metric.buckets,
                )
        for gauge in GAUGES:
            meter.create_observable_gauge(gauge.name, [_callback(reader, gauge)], gauge.unit, gauge.description)

    def add(self, metric: Metric, labels: MetricLabels) -> None:
        self._counters[metric].add(1, _without_empty(labels))

    def record(self, metric: Metric, value: float, labels: MetricLabels) -> None:
        self._histograms[metric].record(value, _without_empty(labels))


def _without_empty(labels: MetricLabels) -> dict[str, str | int]:
    return {name: value for name, value in labels.items() if value != ""}


def _callback(reader: SiteReader, gauge: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return partial(_observe, reader, gauge)


def _observe(reader: SiteReader, gauge: Metric, options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(value, {"key": key} if key else {}) for key, value in reader.read().get(gauge, {}).items()]
