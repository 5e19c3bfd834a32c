"""Connects the libraries of ``TELEMETRY`` with what happens in this process."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from django_telroi.client.observers import set_request_observer
from django_telroi.dispatch.traces import set_task_traces
from django_telroi.redaction import kind_of
from django_telroi.services.shared.outcome_reports import OUTCOME_OBSERVERS
from django_telroi.telemetry.client_requests import ObserveRequests, SpanMaker
from django_telroi.telemetry.metrics import MetricSink
from django_telroi.telemetry.outcome_metrics import OutcomeMetrics
from django_telroi.telemetry.site_reader import SiteReader

logger = logging.getLogger("django_telroi")


def connect_sinks(chosen: Collection[str]) -> None:
    """Connect the libraries named in ``chosen``. A second call in the same process does nothing.

    A library that is not installed is logged and left out: a site without its metrics can still place calls.
    """
    if OUTCOME_OBSERVERS:
        return
    sinks: list[MetricSink] = []
    start_span: SpanMaker | None = None
    reader = SiteReader()
    if "opentelemetry" in chosen:
        try:
            from django_telroi.telemetry.otel_metrics import OtelMetrics
            from django_telroi.telemetry.otel_spans import RequestSpans
            from django_telroi.telemetry.otel_tasks import TaskSpans

            sinks.append(OtelMetrics(reader))
            start_span = RequestSpans()
            set_task_traces(TaskSpans())
        except ImportError as error:
            logger.error("telemetry_failed error=%s", kind_of(error))
    if "prometheus" in chosen:
        try:
            from django_telroi.telemetry.prometheus_metrics import PrometheusMetrics

            sinks.append(PrometheusMetrics(reader))
        except ImportError as error:
            logger.error("telemetry_failed error=%s", kind_of(error))
    if sinks:
        observe_with(sinks, start_span)


def observe_with(sinks: Sequence[MetricSink], start_span: SpanMaker | None = None) -> None:
    """Let ``sinks`` get all outcomes and requests of this process, and ``start_span`` start a span for each request."""
    OUTCOME_OBSERVERS.append(OutcomeMetrics(sinks))
    set_request_observer(ObserveRequests(sinks, start_span))


def disconnect() -> None:
    """Stop observing this process."""
    OUTCOME_OBSERVERS.clear()
    set_request_observer(None)
    set_task_traces(None)
