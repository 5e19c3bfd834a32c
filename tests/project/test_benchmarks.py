"""The rows of the benchmarks fit the tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks.seeding import Size, seed
from django_telroi.models import PhoneNumber, VerificationAttempt


@pytest.mark.django_db(transaction=True)
def test_a_small_month_is_seeded() -> None:
    seed("default", Size(numbers=20, attempts=200, users=5), now=datetime.now(UTC))

    assert VerificationAttempt.objects.count() == 200
    assert PhoneNumber.objects.count() == 20
