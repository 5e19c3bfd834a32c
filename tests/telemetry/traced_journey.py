"""A browser posts a number, a worker places the call, and all spans are printed as JSON. Run as a program."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from time import monotonic, sleep

from celery import Celery
from celery.contrib.testing.worker import start_worker
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.telemetry.measured_site import configure_site

AT_MOST_SECONDS = 300
"""A guard against hanging only."""


class TokenReader(HTMLParser):
    """Collects the hidden fields of the page's forms."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and found.get("type") == "hidden":
            self.fields[str(found["name"])] = str(found.get("value") or "")


def post_number(path: str, number: str) -> int:
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    page = TokenReader()
    page.feed(browser.get(path).content.decode())
    return browser.post(path, page.fields | {"number": number}).status_code


def main(*, instrument_requests: bool) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()
    if instrument_requests:
        RequestsInstrumentor().instrument()
    configure_site(telemetry=["opentelemetry"], dispatch="celery")
    DjangoInstrumentor().instrument()
    app = Celery("site", broker="memory://", fixups=[])
    app.set_default()

    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from django_telroi.models import VerificationAttempt

    status = post_number("/phone/", "+2348031234567")
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=60):
        deadline = monotonic() + AT_MOST_SECONDS
        while not VerificationAttempt.objects.filter(status="placed").exists():
            assert monotonic() < deadline, (status, list(VerificationAttempt.objects.values()))
            sleep(0.05)
    found = [
        {
            "name": span.name,
            "kind": span.kind.name,
            "trace": span.context.trace_id,
            "id": span.context.span_id,
            "parent": span.parent.span_id if span.parent else None,
            "status": span.status.status_code.name,
            "attributes": {key: str(value) for key, value in (span.attributes or {}).items()},
        }
        for span in spans.get_finished_spans()
    ]
    sys.stdout.write(json.dumps({"status": status, "spans": found}) + "\n")


if __name__ == "__main__":
    main(instrument_requests="requests" in sys.argv)
