"""Spans around the requests to Telroi, with OpenTelemetry's API.

Names and attributes are those of the conventions for HTTP clients. ``telroi.outcome`` and ``telroi.operation`` are our
own. If the instrumentation of ``requests`` is active, it makes the span, and only our attributes are added to it: each
request has one span of the kind CLIENT.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider

import django_telroi
from django_telroi import conf
from django_telroi.client.observers import ObservedRequest, RequestOutcome, RequestPurpose, RequestResult
from django_telroi.log_fields import current_key
from django_telroi.telemetry.client_requests import OTHER_METHOD, RunningSpan, error_type, method_label

INSTRUMENTED = "opentelemetry_instrumentation_requests_applied"
"""The attribute that OpenTelemetry's instrumentation sets on the method that it replaces."""


class RequestSpans:
    """Starts the span of a request. ``provider``: None for the global provider, which may be set later."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("django_telroi", django_telroi.__version__, provider)

    def __call__(self, request: ObservedRequest) -> RunningSpan:
        if is_requests_instrumented():
            return ForeignSpan(request)
        method = method_label(request.method)
        is_template = request.operation != RequestPurpose.OTHER  # any other path may contain ids
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "server.address": request.origin.host,
            "server.port": request.origin.port,
            "url.full": request.base_url + request.path,
            "network.protocol.name": "http",
            "network.protocol.version": "1.1",
            "telroi.operation": str(request.operation),
        }
        if key := current_key():
            attributes["telroi.key"] = key
        if method == OTHER_METHOD:
            attributes["http.request.method_original"] = request.method
        if is_template:
            attributes["url.template"] = request.path
        verb = "HTTP" if method == OTHER_METHOD else method
        name = f"{verb} {request.path}" if is_template else verb
        return OwnSpan(self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes))


def is_requests_instrumented() -> bool:
    """Return whether OpenTelemetry's instrumentation of ``requests`` makes a span for each request."""
    from requests import Session

    return getattr(Session.send, INSTRUMENTED, False) is True


class OwnSpan:
    """Our span. It is current in this thread until it ends."""

    def __init__(self, span: Span) -> None:
        self._span = span
        inside = trace.set_span_in_context(span)
        # Before the span is current: a propagator of the site may raise, and nothing would end a span that is current.
        self.headers: Mapping[str, str] = _headers_of_trace(inside)
        self._token = context.attach(inside)

    def see(self, result: RequestResult) -> None:
        """Nothing to do: this span ends later, with the final result."""

    def end(self, result: RequestResult) -> None:
        context.detach(self._token)
        if result.status is not None:
            self._span.set_attribute("http.response.status_code", result.status)
        self._span.set_attribute("telroi.outcome", str(result.outcome))
        if error := error_type(result):
            self._span.set_attribute("error.type", error)
        if result.outcome != RequestOutcome.ANSWERED:
            # Without a description: the text of an error may repeat words of the server.
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class ForeignSpan:
    """The span of the instrumentation of ``requests``, which adds the headers itself."""

    headers: Mapping[str, str] = {}

    def __init__(self, request: ObservedRequest) -> None:
        self._request = request
        self._outer = trace.get_current_span()

    def see(self, result: RequestResult) -> None:
        span = trace.get_current_span()
        # The instrumentation makes no span for a URL that it excludes. Then the current one is the site's own.
        if span is self._outer:
            return
        span.set_attribute("telroi.operation", str(self._request.operation))
        span.set_attribute("telroi.outcome", str(result.outcome))
        if key := current_key():
            span.set_attribute("telroi.key", key)

    def end(self, result: RequestResult) -> None:
        """The instrumentation has ended its span."""


def _headers_of_trace(inside: Context) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if conf.trace_headers():
        propagate.inject(headers, inside)
    return headers
