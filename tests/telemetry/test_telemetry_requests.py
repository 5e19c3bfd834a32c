"""Spans and durations of requests to Telroi, with the real SDK of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from django_telroi.client import TelroiClient
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from django_telroi.simulator import Simulator
from django_telroi.telemetry.connecting import observe_with
from django_telroi.telemetry.metrics import Metric, MetricLabels
from django_telroi.telemetry.otel_spans import INSTRUMENTED, RequestSpans

NUMBER = "+2348031234567"


class Recorded:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.written: list[tuple[str, float, dict[str, object]]] = []

    def add(self, metric: Metric, labels: MetricLabels) -> None:
        self.written.append((metric.name, 1, dict(labels)))

    def record(self, metric: Metric, value: float, labels: MetricLabels) -> None:
        self.written.append((metric.name, value, dict(labels)))


@pytest.fixture
def sink() -> Recorded:
    return Recorded()


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    made = TracerProvider()
    yield made
    made.shutdown()


@pytest.fixture
def spans(provider: TracerProvider, sink: Recorded) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    observe_with([sink], RequestSpans(provider))
    return exporter


@pytest.fixture
def client(telroi: Simulator) -> Iterator[TelroiClient]:
    with TelroiClient(telroi.api_key, base_url=telroi.base_url, read_timeout=5, total_timeout=5) as made:
        yield made


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    [span] = spans.get_finished_spans()
    return span


def test_a_call_has_one_client_span_with_the_attributes_of_the_conventions(
    spans: InMemorySpanExporter, client: TelroiClient, telroi: Simulator, sink: Recorded
) -> None:
    client.place_otp(NUMBER)

    span = only(spans)
    host, port = telroi.base_url.removeprefix("http://").split(":")
    assert (span.name, span.kind, span.status.status_code.name) == ("POST /v1/otp", trace.SpanKind.CLIENT, "UNSET")
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "server.address": host,
        "server.port": int(port),
        "url.full": f"{telroi.base_url}/v1/otp",
        "url.template": "/v1/otp",
        "telroi.operation": "call",
        "telroi.outcome": "answered",
    }
    [(name, seconds, labels)] = sink.written
    assert (name, labels) == (
        "telroi.client.request.duration",
        {
            "operation": "call",
            "outcome": "answered",
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "server.address": host,
        },
    )
    assert 0 < seconds < 60


@pytest.mark.parametrize(
    ("fault", "error", "outcome", "kind"),
    [
        ("carrier_refuses", ApiRefused, "refused", "502"),
        ("close", ApiOutcomeUnknown, "unknown", "ApiOutcomeUnknown"),
    ],
)
def test_a_call_that_fails_says_how(
    fault: str,
    error: type[ApiError],
    outcome: str,
    kind: str,
    spans: InMemorySpanExporter,
    client: TelroiClient,
    telroi: Simulator,
) -> None:
    telroi.fail_next(fault)

    with pytest.raises(error):
        client.place_otp(NUMBER)

    span = only(spans)
    assert span.attributes is not None
    assert (span.attributes["telroi.outcome"], span.attributes["error.type"]) == (outcome, kind)
    assert (span.status.status_code.name, span.status.description, span.events) == ("ERROR", None, ())
    assert NUMBER not in span.to_json()


def test_a_request_that_is_not_sent_is_unreachable(spans: InMemorySpanExporter, telroi: Simulator) -> None:
    with pytest.raises(ApiUnreachable):
        TelroiClient("tlr_live_x", base_url="http://127.0.0.1:1").place_otp(NUMBER)

    assert (only(spans).attributes or {})["telroi.outcome"] == "unreachable"


def test_a_path_with_a_number_is_not_in_the_span(spans: InMemorySpanExporter, client: TelroiClient) -> None:
    with pytest.raises(ApiRefused):
        client.request("GET", f"/v1/contacts/{NUMBER}?to={NUMBER}")

    assert only(spans).name == "GET"
    assert NUMBER not in only(spans).to_json()


def test_with_an_instrumentation_of_requests_its_span_is_the_only_one_and_has_our_outcome(
    spans: InMemorySpanExporter,
    provider: TracerProvider,
    client: TelroiClient,
    telroi: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = requests.Session.send

    def instrumented(session: requests.Session, request: requests.PreparedRequest, **kwargs: object) -> object:
        with provider.get_tracer("requests").start_as_current_span("POST", kind=trace.SpanKind.CLIENT):
            return send(session, request, **kwargs)  # type: ignore[arg-type]

    setattr(instrumented, INSTRUMENTED, True)
    monkeypatch.setattr(requests.Session, "send", instrumented)
    telroi.fail_next("close")

    with pytest.raises(ApiOutcomeUnknown):
        client.place_otp(NUMBER)

    assert dict(only(spans).attributes or {}) == {"telroi.operation": "call", "telroi.outcome": "unknown"}


def test_without_a_span_of_the_instrumentation_the_span_of_the_site_is_not_changed(
    spans: InMemorySpanExporter, provider: TracerProvider, client: TelroiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry makes none for a URL in ``OTEL_PYTHON_REQUESTS_EXCLUDED_URLS``."""
    send = requests.Session.send

    def instrumented(*args: object, **kwargs: object) -> object:
        return send(*args, **kwargs)  # type: ignore[arg-type]

    setattr(instrumented, INSTRUMENTED, True)
    monkeypatch.setattr(requests.Session, "send", instrumented)

    with provider.get_tracer("django").start_as_current_span("POST /phone/", kind=trace.SpanKind.SERVER):
        client.place_otp(NUMBER)

    assert dict(only(spans).attributes or {}) == {}


def test_a_propagator_that_raises_leaves_no_span_behind(
    spans: InMemorySpanExporter, settings: Any, client: TelroiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TELROI = {"TRACE_HEADERS": True}

    def fail(*args: object) -> None:
        raise LookupError(NUMBER)

    monkeypatch.setattr("django_telroi.telemetry.otel_spans.propagate.inject", fail)
    before = trace.get_current_span()

    assert client.place_otp(NUMBER).to == NUMBER

    assert trace.get_current_span() is before


@pytest.mark.parametrize("what", ["span", "first sink"])
def test_a_library_that_fails_does_not_take_the_metrics_of_the_other_one(
    what: str, sink: Recorded, client: TelroiClient, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Recorded):
        def record(self, metric: Metric, value: float, labels: MetricLabels) -> None:
            raise LookupError(NUMBER)

    def fail(request: object) -> Any:
        raise LookupError(NUMBER)

    observe_with(*([sink], fail) if what == "span" else ([Broken(), sink],))

    client.place_otp(NUMBER)

    assert [name for name, _value, _labels in sink.written] == ["telroi.client.request.duration"]
    assert "telemetry_failed error=LookupError" in caplog.text
    assert NUMBER not in caplog.text


TRACE = {
    "traceparent": "00-1-2-01",
    "tracestate": "a=b",
    "Baggage": "user=ada",
    "sentry-trace": "x",
    "b3": "0",
    # Jaeger, OT Trace, X-Ray, Datadog, and one that no list could know.
    "uber-trace-id": "1:2:0:1",
    "uberctx-user": "ada",
    "ot-baggage-user": "ada",
    "X-Amzn-Trace-Id": "Root=1",
    "x-datadog-trace-id": "1",
    "x-trace-of-ours": "1",
}


@pytest.mark.parametrize("is_sent", [False, True])
def test_headers_of_traces_are_sent_only_if_the_site_wants_it(
    is_sent: bool, telroi: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    send = requests.Session.send

    def with_trace(session: requests.Session, request: requests.PreparedRequest, **kwargs: object) -> object:
        request.headers.update(TRACE)
        return send(session, request, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.Session, "send", with_trace)
    monkeypatch.setattr(
        "django_telroi.client.transport.HTTPConnection.send", _keeping(sent, requests_send=_connection_send())
    )
    with TelroiClient(telroi.api_key, base_url=telroi.base_url, trace_headers=is_sent) as client:
        client.place_otp(NUMBER)

    lines = b"".join(sent).partition(b"\r\n\r\n")[0].decode().lower().splitlines()
    names = {line.partition(":")[0] for line in lines}
    assert names & {name.lower() for name in TRACE} == ({name.lower() for name in TRACE} if is_sent else set())
    assert names >= {"host", "content-length", "authorization", "content-type", "accept", "accept-encoding"}


def _connection_send() -> object:
    from http.client import HTTPConnection

    return HTTPConnection.send


def _keeping(sent: list[bytes], *, requests_send: object) -> object:
    def send(connection: object, data: bytes) -> None:
        sent.append(data)
        requests_send(connection, data)  # type: ignore[operator]

    return send


def test_a_processor_that_raises_changes_no_call(
    provider: TracerProvider, client: TelroiClient, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(SimpleSpanProcessor):
        def on_start(self, span: object, parent_context: object = None) -> None:
            raise LookupError(NUMBER)

    provider.add_span_processor(Broken(InMemorySpanExporter()))
    observe_with([], RequestSpans(provider))

    assert client.place_otp(NUMBER).to == NUMBER
    assert "telemetry_failed error=LookupError" in caplog.text
