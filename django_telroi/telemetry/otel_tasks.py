"""Spans of messages and tasks for ``DISPATCH = "tasks"``, with OpenTelemetry's API.

Names and attributes are those of the conventions for messaging. OpenTelemetry has no instrumentation of Django's tasks,
so these spans are made here, as its instrumentation of Celery makes them for Celery.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import django_telroi

# Not the site's propagators: the headers are written into the row of the task, and baggage may hold anything.
PROPAGATOR = TraceContextTextMapPropagator()


class TaskSpans:
    """Starts the spans. ``provider``: None for the global provider, which may be set later."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("django_telroi", django_telroi.__version__, provider)

    def publish(self, queue: str) -> RunningTaskSpan:
        return self._start("send", SpanKind.PRODUCER, queue, None)

    def work(self, queue: str, headers: Mapping[str, str]) -> RunningTaskSpan:
        return self._start("process", SpanKind.CONSUMER, queue, PROPAGATOR.extract(headers))

    def _start(self, operation: str, kind: SpanKind, queue: str, parent: Context | None) -> RunningTaskSpan:
        attributes = {
            "messaging.system": "django_tasks",
            "messaging.operation.type": operation,
            "messaging.operation.name": operation,
            "messaging.destination.name": queue,
        }
        span = self._tracer.start_span(f"{operation} {queue}", context=parent, kind=kind, attributes=attributes)
        return RunningTaskSpan(span)


class RunningTaskSpan:
    """A span that is current in this thread until it ends."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        inside = trace.set_span_in_context(span)
        headers: dict[str, str] = {}
        PROPAGATOR.inject(headers, inside)
        self.headers: Mapping[str, str] = headers
        self._token = context.attach(inside)

    def end(self, *, has_failed: bool) -> None:
        context.detach(self._token)
        if has_failed:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
