"""A message is published in the context of the request that made it, so its headers continue the trace."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import pytest
from celery.signals import before_task_publish

from django_telroi import services
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure

TRACE: ContextVar[str] = ContextVar("trace", default="none")


@pytest.mark.django_db(transaction=True)
def test_two_requests_publish_in_their_own_contexts(telroi: Simulator, configure: Configure, celery_app: Any) -> None:
    configure(DISPATCH="celery")
    seen: list[tuple[str, bool]] = []

    def note(sender: str, **kwargs: Any) -> None:
        seen.append((TRACE.get(), sender in celery_app.tasks))

    before_task_publish.connect(note)
    try:
        for trace, number in (("first", "+2348031234567"), ("second", "+2348031234568")):
            token = TRACE.set(trace)
            services.start_verification(number)
            TRACE.reset(token)
    finally:
        before_task_publish.disconnect(note)

    # The task is loaded, because OpenTelemetry's instrumentation ends the span of a message only if it finds the task.
    assert seen == [("first", True), ("second", True)]
    assert VerificationAttempt.objects.filter(status="queued").count() == 2
