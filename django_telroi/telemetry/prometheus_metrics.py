"""The metrics in Prometheus' own library. Counters and histograms also work with several processes.

Set ``PROMETHEUS_MULTIPROC_DIR`` in the environment before the processes start. Each process then writes to files of
this folder, and ``MultiProcessCollector`` adds them up. Gauges are read from the database when they are collected, so
they need no files. ``served_registry`` has both.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from django_telroi.telemetry.metrics import EVENT_METRICS, GAUGES, Metric, MetricKind, MetricLabels
from django_telroi.telemetry.site_reader import SiteReader

__all__ = ["PrometheusMetrics", "SiteCollector", "served_registry"]

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class PrometheusMetrics:
    """Writes counters and histograms, and registers the gauges unless each process has a registry of its own.

    Raises ValueError if another module has registered one of the names. Then none of the metrics is registered.
    """

    def __init__(self, reader: SiteReader, registry: CollectorRegistry = REGISTRY) -> None:
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        for metric in EVENT_METRICS:
            name, labels = metric.prometheus_name, metric.prometheus_labels
            if metric.kind == MetricKind.COUNTER:
                self._counters[metric] = Counter(name, metric.description, labels, registry=None)
            else:
                self._histograms[metric] = Histogram(
                    name, metric.description, labels, registry=None, buckets=metric.buckets
                )
        # With several processes this registry is not collected, or it shows one process only.
        gauges = [] if os.environ.get(FOLDER) else [SiteCollector(reader)]
        _register_all([*self._counters.values(), *self._histograms.values(), *gauges], registry)

    def add(self, metric: Metric, labels: MetricLabels) -> None:
        self._counters[metric].labels(*_values(metric, labels)).inc()

    def record(self, metric: Metric, value: float, labels: MetricLabels) -> None:
        self._histograms[metric].labels(*_values(metric, labels)).observe(value)


def _register_all(collectors: Iterable[Collector], registry: CollectorRegistry) -> None:
    with ExitStack() as registered:
        for collector in collectors:
            registry.register(collector)
            registered.callback(registry.unregister, collector)
        registered.pop_all()  # nothing failed, so all of them stay


class SiteCollector(Collector):
    """Collects the gauges: three statements and two reads of the cache for each collection."""

    def __init__(self, reader: SiteReader | None = None) -> None:
        self._reader = reader or SiteReader()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the names. Without it, a registry would collect the values once when the collector is registered."""
        return [GaugeMetricFamily(gauge.prometheus_name, gauge.description) for gauge in GAUGES]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        values = self._reader.read()
        return [_family(gauge, values[gauge]) for gauge in GAUGES if gauge in values]


def _family(gauge: Metric, samples: Mapping[str, float]) -> GaugeMetricFamily:
    # A label only where it has a value, so that a site with one key has the same series as without it.
    labels = gauge.prometheus_labels if any(samples) else ()
    family = GaugeMetricFamily(gauge.prometheus_name, gauge.description, labels=labels)
    for key, value in samples.items():
        family.add_metric([key] if labels else [], value)
    return family


def served_registry() -> CollectorRegistry:
    """Return the registry that a view of the site serves.

    With ``PROMETHEUS_MULTIPROC_DIR`` it adds up all processes and has the gauges. Without it, it is the registry of
    this process only. Raises ImproperlyConfigured if the variable names no folder.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return REGISTRY
    if not Path(folder).is_dir():
        raise ImproperlyConfigured(f"{FOLDER} is not a folder. Create an empty one before the processes start.")
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    registry.register(SiteCollector())
    return registry


def _values(metric: Metric, labels: MetricLabels) -> list[str]:
    # A label that does not apply is empty, which Prometheus treats like a label that is not there.
    return [str(labels.get(name, "")) for name in metric.labels]
