"""Many concurrent calls after the pause for a refused key: exactly one call probes the key."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from django_telroi.backends import get_backend
from django_telroi.domain.states import Status
from django_telroi.errors import Misconfigured, Unavailable
from django_telroi.models import CallControl, VerificationAttempt
from django_telroi.services import place_call, start_verification
from django_telroi.services.calls import queue, start
from django_telroi.services.shared.site_control import PauseReason
from tests.races.racing import AT_MOST_SECONDS, Telroi, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

NUMBERS = [f"+234803{line:07d}" for line in range(1, 13)]


@pytest.fixture(autouse=True)
def refused_key(telroi: Telroi) -> None:
    """The key was refused, and the pause of a minute is over."""
    CallControl.objects.update_or_create(
        pk=CallControl.DEFAULT_KEY,
        defaults={
            "paused_until": datetime.now(UTC) - timedelta(seconds=1),
            "paused_reason": PauseReason.MISCONFIGURED,
            "paused_key": get_backend().key_digest,
        },
    )


def reading_together(read: Callable[..., Any], racers: int) -> Callable[..., Any]:
    """Wrap a function so that the first result of each thread is returned when all threads have read."""
    barrier, this_thread = threading.Barrier(racers), threading.local()

    def read_and_wait(*args: Any, **options: Any) -> Any:
        state = read(*args, **options)
        if not getattr(this_thread, "has_read", False):
            this_thread.has_read = True
            barrier.wait(AT_MOST_SECONDS)
        return state

    return read_and_wait


def test_one_of_twelve_starts_probes_a_refused_key(telroi: Telroi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "read_state", reading_together(start.read_state, len(NUMBERS)))
    telroi.throw("fail_always", fault="unauthorized")

    finishes = race([partial(start_verification, number) for number in NUMBERS])

    assert len(telroi.sends) == 1
    assert [attempt.error_code for attempt in values(finishes)] == ["misconfigured"]
    assert len(errors(finishes)) == len(NUMBERS) - 1
    assert {type(error) for error in errors(finishes)} <= {Misconfigured, Unavailable}


def test_one_of_twelve_workers_probes_a_refused_key(telroi: Telroi, monkeypatch: pytest.MonkeyPatch) -> None:
    CallControl.objects.update(paused_key="another key's")
    with transaction.atomic():
        waiting = [start_verification(number).pk for number in NUMBERS]
        transaction.get_connection().run_on_commit.clear()
    CallControl.objects.update(paused_key=get_backend().key_digest)
    VerificationAttempt.objects.update(dispatch="celery")
    monkeypatch.setattr(queue, "read_attempt", reading_together(queue.read_attempt, len(waiting)))
    telroi.throw("fail_always", fault="unauthorized")

    finishes = race([partial(place_call, attempt_id) for attempt_id in waiting])

    assert errors(finishes) == []
    assert len(telroi.sends) == 1
    statuses = Counter(VerificationAttempt.objects.values_list("status", flat=True))
    assert statuses == {Status.FAILED: 1, Status.QUEUED: len(NUMBERS) - 1}


def test_a_key_that_works_again_is_probed_and_then_used_by_all(telroi: Telroi, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(start, "read_state", reading_together(start.read_state, len(NUMBERS)))
        finishes = race([partial(start_verification, number) for number in NUMBERS])
    placed = {attempt.number for attempt in values(finishes)}

    statuses = {start_verification(number).status for number in set(NUMBERS) - placed}

    assert placed
    assert statuses <= {Status.PLACED}
    assert sorted(telroi.sends) == NUMBERS
