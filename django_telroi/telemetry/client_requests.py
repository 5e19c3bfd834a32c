"""Observes the requests to Telroi: their duration, and a span with OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Protocol

from django_telroi.client.observers import ObservedRequest, RequestResult, guarded
from django_telroi.log_fields import current_key
from django_telroi.telemetry.metrics import REQUEST_DURATION, MetricLabels, MetricSink, write_to_each
from django_telroi.telemetry.outcome_metrics import bounded_key

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "_OTHER"
"""The method in telemetry of any other method, as the conventions demand."""


class RunningSpan(Protocol):
    """The span of one request. ``headers`` carry it to the server."""

    headers: Mapping[str, str]

    def see(self, result: RequestResult) -> None:
        """Called while the span of an instrumentation of ``requests`` is current."""

    def end(self, result: RequestResult) -> None: ...


class SpanMaker(Protocol):
    """Starts the span of a request."""

    def __call__(self, request: ObservedRequest) -> RunningSpan: ...


class ObserveRequests:
    """The observer of the client's requests. ``start_span``: None without traces."""

    def __init__(self, sinks: Sequence[MetricSink], start_span: SpanMaker | None = None) -> None:
        self._sinks = sinks
        self._start_span = start_span

    def __call__(self, request: ObservedRequest) -> RunningRequest:
        start = self._start_span
        span = guarded(lambda: start(request)) if start else None
        return RunningRequest(request, self._sinks, span)


class RunningRequest:
    """One request that is being sent."""

    def __init__(self, request: ObservedRequest, sinks: Sequence[MetricSink], span: RunningSpan | None) -> None:
        self._request = request
        self._sinks = sinks
        self._span = span
        self._started = perf_counter()
        self.headers: Mapping[str, str] = span.headers if span else {}

    def see(self, result: RequestResult) -> None:
        if self._span:
            self._span.see(result)

    def end(self, result: RequestResult) -> None:
        seconds = perf_counter() - self._started
        # The span first: it is current in this thread until it ends.
        if span := self._span:
            guarded(lambda: span.end(result))
        labels = self._labels(result)
        write_to_each(self._sinks, lambda sink: sink.record(REQUEST_DURATION, seconds, labels))

    def _labels(self, result: RequestResult) -> MetricLabels:
        labels: dict[str, str | int] = {
            "operation": str(self._request.operation),
            "outcome": str(result.outcome),
            "http.request.method": method_label(self._request.method),
            "server.address": self._request.origin.host,
        }
        if key := current_key():
            labels["key"] = bounded_key(key)
        if result.status is not None:
            labels["http.response.status_code"] = result.status
        if error := error_type(result):
            labels["error.type"] = error
        return labels


def method_label(method: str) -> str:
    """Return the method, or ``_OTHER`` for one that the conventions do not list."""
    return method if method in KNOWN_METHODS else OTHER_METHOD


def error_type(result: RequestResult) -> str:
    """Return ``error.type`` of the conventions: the status of an error response, else the class of the error."""
    if result.status is not None and result.status >= 400:
        return str(result.status)
    return result.error
