"""Concurrent sweeps, workers and readers: each row is settled once."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import connection, transaction

from django_telroi import services
from django_telroi.models import VerificationAttempt
from django_telroi.services import Swept, sweep
from tests.races.racing import Telroi, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

SWEEPERS = 10
CALLS = 8


def left_behind() -> datetime:
    """Create calls whose processes were killed after the commit. Return when all are due."""
    with transaction.atomic():
        for ordinal in range(CALLS):
            services.start_verification(f"+23480312345{ordinal:02}")
        connection.run_on_commit = []  # the processes are killed here
    return max(VerificationAttempt.objects.values_list("due_at", flat=True))


def test_one_of_ten_sweepers_places_each_call(telroi: Telroi, repeat: int) -> None:
    due_at = left_behind()

    finishes = race([partial(sweep, now=due_at)] * SWEEPERS)

    assert errors(finishes) == []
    assert sum(swept.enqueued for swept in values(finishes)) == CALLS
    assert len(telroi.sends) == CALLS
    assert set(VerificationAttempt.objects.values_list("status", flat=True)) == {"placed"}


def test_one_of_ten_sweepers_settles_each_row(telroi: Telroi, repeat: int) -> None:
    with transaction.atomic():
        waiting = services.start_verification("+2348031234599")
        connection.run_on_commit = []
    for ordinal in range(CALLS):
        services.start_verification(f"+23480312345{ordinal:02}")
    over = max(attempt.expires_at for attempt in VerificationAttempt.objects.all())
    VerificationAttempt.objects.exclude(pk=waiting.pk).update(due_at=over, expires_at=over)
    VerificationAttempt.objects.filter(pk=waiting.pk).update(created_at=over - timedelta(hours=1))

    finishes = race([partial(sweep, now=over)] * SWEEPERS)

    assert errors(finishes) == []
    assert sum(swept.expired for swept in values(finishes)) >= CALLS
    assert set(VerificationAttempt.objects.values_list("status", "due_at")) == {("expired", None)}
    assert sweep(now=over) == Swept()
