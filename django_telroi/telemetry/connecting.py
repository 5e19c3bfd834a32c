"""Connects the libraries of ``TELEMETRY`` with what happens in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from django_telroi.client.observers import set_request_observer
from django_telroi.dispatch.traces import TaskTraces, set_task_traces
from django_telroi.redaction import kind_of
from django_telroi.services.shared.outcomes import OUTCOME_OBSERVERS
from django_telroi.telemetry.client_requests import ObserveRequests, SpanMaker
from django_telroi.telemetry.metrics import MetricSink
from django_telroi.telemetry.outcome_metrics import OutcomeMetrics
from django_telroi.telemetry.site_reader import SiteReader

logger = logging.getLogger("django_telroi")


@dataclass(frozen=True)
class Library:
    """What one library measures with. It observes nothing yet."""

    sink: MetricSink
    start_span: SpanMaker | None = None
    task_traces: TaskTraces | None = None


def connect_sinks(chosen: Collection[str]) -> None:
    """Connect the libraries named in ``chosen``. A second call in the same process does nothing.

    A library that cannot be set up is logged and left out as a whole: a site without its metrics can still place calls.
    """
    if OUTCOME_OBSERVERS:
        return
    reader = SiteReader()
    made = [_made_or_logged(name, make, reader) for name, make in LIBRARIES.items() if name in chosen]
    libraries = [library for library in made if library]
    for library in libraries:
        if library.task_traces:
            set_task_traces(library.task_traces)
    if libraries:
        start_span = next((library.start_span for library in libraries if library.start_span), None)
        observe_with([library.sink for library in libraries], start_span)


def _made_or_logged(name: str, make: Callable[[SiteReader], Library], reader: SiteReader) -> Library | None:
    try:
        return make(reader)
    # Not ImportError only: OpenTelemetry raises StopIteration for a provider that is not installed, and Prometheus
    # ValueError for a name that another module has registered. Either would stop the site from starting.
    except Exception as error:  # noqa: BLE001 - a library of telemetry may raise anything
        logger.error("telemetry_off library=%s error=%s", name, kind_of(error))
        return None


def _opentelemetry(reader: SiteReader) -> Library:
    from django_telroi.telemetry.otel_metrics import OtelMetrics
    from django_telroi.telemetry.otel_spans import RequestSpans
    from django_telroi.telemetry.otel_tasks import TaskSpans

    # The metrics last: a gauge cannot be taken back from its meter, so nothing may fail after them.
    start_span, task_traces = RequestSpans(), TaskSpans()
    return Library(OtelMetrics(reader), start_span, task_traces)


def _prometheus(reader: SiteReader) -> Library:
    from django_telroi.telemetry.prometheus_metrics import PrometheusMetrics

    return Library(PrometheusMetrics(reader))


LIBRARIES = {"opentelemetry": _opentelemetry, "prometheus": _prometheus}


def observe_with(sinks: Sequence[MetricSink], start_span: SpanMaker | None = None) -> None:
    """Let ``sinks`` get all outcomes and requests of this process, and ``start_span`` start a span for each request."""
    OUTCOME_OBSERVERS.append(OutcomeMetrics(sinks))
    set_request_observer(ObserveRequests(sinks, start_span))


def disconnect() -> None:
    """Stop observing this process."""
    OUTCOME_OBSERVERS.clear()
    set_request_observer(None)
    set_task_traces(None)
