"""``kill -9`` of a purge half-way: the remaining rows are complete, and the next purge continues."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F

from django_telroi import services
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.services import Purged

ROOT = Path(__file__).parent.parent.parent
NUMBERS = [f"+23480312345{line:02d}" for line in range(12)]


@pytest.mark.programs
@pytest.mark.django_db(transaction=True)
def test_a_killed_purge_can_be_continued() -> None:
    for number in NUMBERS:
        attempt = services.start_verification(number)
        AttemptEvent.objects.create(attempt=attempt, kind="code_rejected")
    VerificationAttempt.objects.update(created_at=F("created_at") - timedelta(days=91))
    limits = list(PhoneNumber.objects.order_by("pk").values())
    purger = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.purger", str(connection.settings_dict["NAME"])],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert purger.stdout
        assert purger.stdout.readline() == "here\n"
    finally:
        purger.kill()
        purger.communicate()

    assert (VerificationAttempt.objects.count(), AttemptEvent.objects.count()) == (6, 6)
    assert services.purge(batch_size=3) == Purged(attempts=6, events=6)
    assert list(PhoneNumber.objects.order_by("pk").values()) == limits
