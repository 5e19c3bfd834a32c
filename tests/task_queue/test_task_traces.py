"""The trace of a request goes on in the worker, with OpenTelemetry's SDK."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django_tasks_db.models import DBTaskResult
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from django_telroi import services
from django_telroi.client.observers import set_request_observer
from django_telroi.dispatch.traces import set_task_traces, working
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.telemetry.client_requests import ObserveRequests
from django_telroi.telemetry.otel_spans import RequestSpans
from django_telroi.telemetry.otel_tasks import TaskSpans
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db(transaction=True)

Work = Callable[..., None]


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def spans(provider: TracerProvider) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_request_observer(ObserveRequests([], RequestSpans(provider)))
    set_task_traces(TaskSpans(provider))
    yield exporter
    set_request_observer(None)
    set_task_traces(None)


def test_the_request_the_message_the_task_and_the_call_are_one_trace(
    by_tasks: Simulator, provider: TracerProvider, spans: InMemorySpanExporter, work: Work
) -> None:
    token = context.attach(baggage.set_baggage("person", "Canary"))
    with provider.get_tracer("site").start_as_current_span("POST /phone/"):
        services.start_verification(NUMBER)
    context.detach(token)
    work()

    found: dict[str, Any] = {span.name: span for span in spans.get_finished_spans()}
    chain = [found["POST /phone/"], found["send default"], found["process default"], found["POST /v1/otp"]]
    assert [span.kind.name for span in chain] == ["INTERNAL", "PRODUCER", "CONSUMER", "CLIENT"]
    assert [span.parent.span_id for span in chain[1:]] == [span.context.span_id for span in chain[:-1]]
    assert {span.context.trace_id for span in chain} == {chain[0].context.trace_id}
    [task] = DBTaskResult.objects.all()
    assert task.args_kwargs["kwargs"].keys() == {"trace"}
    assert task.args_kwargs["kwargs"]["trace"].keys() == {"traceparent"}
    assert context.get_current() == {}


def test_a_task_that_fails_ends_its_span_with_an_error(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ZeroDivisionError), working("calls", {}):
        raise ZeroDivisionError

    [span] = spans.get_finished_spans()
    assert (span.name, span.status.status_code.name, span.events) == ("process calls", "ERROR", ())


class Broken:
    """Telemetry that fails."""

    def publish(self, queue: str) -> Any:
        raise RuntimeError("Canary")

    def work(self, queue: str, headers: Any) -> Any:
        raise RuntimeError("Canary")


def test_a_fault_of_telemetry_loses_no_call(by_tasks: Simulator, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    set_task_traces(Broken())
    try:
        attempt = services.start_verification(NUMBER)
        work()
    finally:
        set_task_traces(None)

    assert VerificationAttempt.objects.get(pk=attempt.pk).status == "placed"
    assert caplog.messages == ["telemetry_failed error=RuntimeError"] * 2
